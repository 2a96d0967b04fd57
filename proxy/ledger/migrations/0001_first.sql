CREATE TABLE ledger_meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE exchanges (
    "request_id" TEXT NOT NULL PRIMARY KEY,
    "process" TEXT NOT NULL,
    "started_ns" INTEGER NOT NULL,
    "method" TEXT NOT NULL,
    "path" TEXT NOT NULL,
    "endpoint" TEXT NOT NULL,
    "outcome" TEXT,
    "query" TEXT,
    "organization" TEXT,
    "workflow" TEXT,
    "key" TEXT,
    "group" TEXT,
    "session_id" TEXT,
    "agent_id" TEXT,
    "parent_agent_id" TEXT,
    "account" TEXT,
    "credential" TEXT,
    "client" TEXT,
    "upstream" TEXT,
    "provider" TEXT,
    "dialect" TEXT,
    "operation" TEXT NOT NULL,
    "model" TEXT,
    "response_model" TEXT,
    "stream" INTEGER,
    "status" INTEGER,
    "finish_reason" TEXT,
    "error_type" TEXT,
    "error_message" TEXT,
    "upstream_request_id" TEXT,
    "message_id" TEXT,
    "upstream_organization_id" TEXT,
    "upstream_workspace_id" TEXT,
    "billing" TEXT,
    "input_tokens" INTEGER,
    "output_tokens" INTEGER,
    "cache_read_tokens" INTEGER,
    "cache_creation_tokens" INTEGER,
    "cache_creation_5m_tokens" INTEGER,
    "cache_creation_1h_tokens" INTEGER,
    "reasoning_tokens" INTEGER,
    "web_search_requests" INTEGER,
    "web_fetch_requests" INTEGER,
    "service_tier" TEXT,
    "speed" TEXT,
    "inference_geo" TEXT,
    "usage_raw" TEXT,
    "usage_source" TEXT NOT NULL,
    "output_tokens_estimated" INTEGER,
    "parameters" TEXT,
    "message_count" INTEGER,
    "tool_count" INTEGER,
    "image_count" INTEGER,
    "retry_count" INTEGER,
    "customer_data" TEXT,
    "request_bytes" INTEGER,
    "response_bytes" INTEGER,
    "delivered_bytes" INTEGER,
    "request_sha256" TEXT,
    "response_sha256" TEXT,
    "request_capture" TEXT,
    "response_capture" TEXT,
    "redacted" INTEGER NOT NULL,
    "parse_error" TEXT,
    "trace_id" TEXT,
    "span_id" TEXT,
    "parent_span_id" TEXT,
    "received_ms" REAL,
    "sent_ms" REAL,
    "connect_ms" REAL,
    "headers_ms" REAL,
    "first_byte_ms" REAL,
    "first_sent_ms" REAL,
    "first_token_ms" REAL,
    "last_byte_ms" REAL,
    "duration_ms" REAL
);
-- Every filter of the list is decided inside this index, so that a page costs few reads at any size.
CREATE INDEX exchanges_list ON exchanges (
    request_id, started_ns, operation, outcome, status, endpoint, model, response_model, "key", finish_reason,
    session_id, input_tokens, output_tokens, cache_read_tokens, cache_creation_tokens
);
-- The same for what went wrong, which is rare and looked for most.
CREATE INDEX exchanges_failed ON exchanges (
    request_id, started_ns, operation, outcome, status, endpoint, model, response_model, "key", finish_reason,
    session_id, input_tokens, output_tokens, cache_read_tokens, cache_creation_tokens
) WHERE outcome <> 'ok';
CREATE INDEX exchanges_open ON exchanges (process) WHERE outcome IS NULL;
CREATE INDEX exchanges_time ON exchanges (started_ns);
CREATE INDEX exchanges_session ON exchanges (session_id, request_id) WHERE session_id IS NOT NULL;
CREATE INDEX exchanges_message ON exchanges (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX exchanges_upstream_id ON exchanges (upstream_request_id) WHERE upstream_request_id IS NOT NULL;

CREATE TABLE attempts (
    request_id TEXT NOT NULL REFERENCES exchanges ON DELETE CASCADE,
    "position" INTEGER NOT NULL,
    "number" INTEGER NOT NULL,
    "upstream" TEXT NOT NULL,
    "server_address" TEXT NOT NULL,
    "server_port" INTEGER NOT NULL,
    "span_id" TEXT NOT NULL,
    "credential" TEXT,
    "started_ms" REAL,
    "connect_ms" REAL,
    "sent_ms" REAL,
    "headers_ms" REAL,
    "ended_ms" REAL,
    "status" INTEGER,
    "error_type" TEXT,
    "error_message" TEXT,
    "upstream_request_id" TEXT,
    "ratelimit" TEXT,
    PRIMARY KEY (request_id, "position")
) WITHOUT ROWID;

CREATE TABLE windows (
    request_id TEXT NOT NULL REFERENCES exchanges ON DELETE CASCADE,
    "position" INTEGER NOT NULL,
    "account" TEXT NOT NULL,
    "window" TEXT NOT NULL,
    "utilization" REAL,
    "resets_at" INTEGER,
    "status" TEXT,
    PRIMARY KEY (request_id, "position")
) WITHOUT ROWID;
CREATE INDEX windows_account ON windows (account, "window", request_id);

CREATE TABLE limits (
    request_id TEXT NOT NULL REFERENCES exchanges ON DELETE CASCADE,
    "position" INTEGER NOT NULL,
    "account" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "limit" INTEGER,
    "remaining" INTEGER,
    "resets_at" INTEGER,
    PRIMARY KEY (request_id, "position")
) WITHOUT ROWID;
CREATE INDEX limits_account ON limits (account, kind, request_id);

CREATE TABLE headers (
    request_id TEXT NOT NULL PRIMARY KEY REFERENCES exchanges ON DELETE CASCADE,
    hops TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE bodies (
    id INTEGER PRIMARY KEY,
    sha256 BLOB NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    codec TEXT NOT NULL,
    data BLOB NOT NULL
);

CREATE TABLE exchange_bodies (
    request_id TEXT NOT NULL REFERENCES exchanges ON DELETE CASCADE,
    hop TEXT NOT NULL,
    body INTEGER REFERENCES bodies,
    same_as TEXT,
    size INTEGER NOT NULL,
    sha256 TEXT,
    capture TEXT,
    redacted INTEGER NOT NULL,
    PRIMARY KEY (request_id, hop)
) WITHOUT ROWID;
CREATE INDEX exchange_bodies_body ON exchange_bodies (body) WHERE body IS NOT NULL;
CREATE INDEX exchange_bodies_stored ON exchange_bodies (request_id) WHERE body IS NOT NULL;

CREATE TABLE chunks (
    request_id TEXT NOT NULL PRIMARY KEY REFERENCES exchanges ON DELETE CASCADE,
    packed BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE journal (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    commit_ns INTEGER NOT NULL,
    kind TEXT NOT NULL,
    request_id TEXT NOT NULL
);
CREATE UNIQUE INDEX journal_finished ON journal (request_id) WHERE kind = 'finished';
CREATE INDEX journal_time ON journal (commit_ns);

CREATE TABLE costs (
    request_id TEXT NOT NULL REFERENCES exchanges ON DELETE CASCADE,
    price_version TEXT NOT NULL,
    latest INTEGER NOT NULL,
    total TEXT NOT NULL,
    total_usd REAL NOT NULL,
    items TEXT NOT NULL,
    partial INTEGER NOT NULL,
    PRIMARY KEY (request_id, price_version)
) WITHOUT ROWID;
CREATE INDEX costs_total ON costs (request_id, total_usd) WHERE latest = 1;

CREATE TABLE totals (
    instrument TEXT NOT NULL,
    labels TEXT NOT NULL,
    value NOT NULL,
    buckets TEXT,
    started_ns INTEGER NOT NULL,
    PRIMARY KEY (instrument, labels)
) WITHOUT ROWID;

CREATE TABLE cursors (
    name TEXT NOT NULL PRIMARY KEY,
    seq INTEGER NOT NULL,
    start_seq INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY,
    signal TEXT NOT NULL,
    seq INTEGER NOT NULL,
    request_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT,
    created_ns INTEGER NOT NULL,
    UNIQUE (signal, seq)
);

-- What the filters of the list offer; counts finished exchanges.
CREATE TABLE facets (
    facet TEXT NOT NULL,
    value TEXT NOT NULL,
    requests INTEGER NOT NULL,
    PRIMARY KEY (facet, value)
) WITHOUT ROWID;
CREATE TRIGGER facets_deleted AFTER DELETE ON exchanges WHEN OLD.outcome IS NOT NULL BEGIN
    UPDATE facets SET requests = requests - 1 WHERE facet = 'model' AND value = CAST(OLD."model" AS TEXT);
    DELETE FROM facets WHERE facet = 'model' AND value = CAST(OLD."model" AS TEXT) AND requests <= 0;
    UPDATE facets SET requests = requests - 1 WHERE facet = 'endpoint' AND value = CAST(OLD."endpoint" AS TEXT);
    DELETE FROM facets WHERE facet = 'endpoint' AND value = CAST(OLD."endpoint" AS TEXT) AND requests <= 0;
    UPDATE facets SET requests = requests - 1 WHERE facet = 'status' AND value = CAST(OLD."status" AS TEXT);
    DELETE FROM facets WHERE facet = 'status' AND value = CAST(OLD."status" AS TEXT) AND requests <= 0;
    UPDATE facets SET requests = requests - 1 WHERE facet = 'outcome' AND value = CAST(OLD."outcome" AS TEXT);
    DELETE FROM facets WHERE facet = 'outcome' AND value = CAST(OLD."outcome" AS TEXT) AND requests <= 0;
    UPDATE facets SET requests = requests - 1 WHERE facet = 'operation' AND value = CAST(OLD."operation" AS TEXT);
    DELETE FROM facets WHERE facet = 'operation' AND value = CAST(OLD."operation" AS TEXT) AND requests <= 0;
    UPDATE facets SET requests = requests - 1 WHERE facet = 'finish_reason' AND value = CAST(OLD."finish_reason" AS TEXT);
    DELETE FROM facets WHERE facet = 'finish_reason' AND value = CAST(OLD."finish_reason" AS TEXT) AND requests <= 0;
    UPDATE facets SET requests = requests - 1 WHERE facet = 'key' AND value = CAST(OLD."key" AS TEXT);
    DELETE FROM facets WHERE facet = 'key' AND value = CAST(OLD."key" AS TEXT) AND requests <= 0;
END;
