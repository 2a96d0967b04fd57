-- Whether a complete answer asks the client to run a tool, where its finish reason cannot say so; none: not known.
ALTER TABLE exchanges ADD COLUMN "calls_tool" INTEGER;
