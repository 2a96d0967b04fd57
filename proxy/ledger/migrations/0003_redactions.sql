-- How many secrets each rule masked in what is stored of an exchange: a JSON object; none: nothing was masked.
ALTER TABLE exchanges ADD COLUMN "redactions" TEXT;
