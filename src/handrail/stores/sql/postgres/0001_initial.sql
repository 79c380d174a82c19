-- What every store starts with, in the schema `handrail`. Migrations are numbered and never changed once released.
-- Each runs in one transaction, under the lock that all writers share.

-- What is compared: by code point, so that no new version of the system's collations can break an index.
CREATE DOMAIN word AS TEXT COLLATE "C";

CREATE TABLE meta (name WORD PRIMARY KEY, value TEXT NOT NULL);

-- One row for each chain.
CREATE TABLE writers (id WORD PRIMARY KEY, host TEXT NOT NULL, pid BIGINT NOT NULL, opened_us BIGINT NOT NULL);

-- Transactions that left no journal row, counted for each connection of a writer: what is counted here was committed,
-- and so was everything that the same connection committed before. A writer that lost its connection looks here.
CREATE TABLE steps (
    writer WORD NOT NULL, connection BIGINT NOT NULL, number BIGINT NOT NULL, PRIMARY KEY (writer, connection)
);

-- Append-only; one hash chain for each writer (stores/chain.py). A pruned row has no body.
CREATE TABLE journal (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    writer WORD NOT NULL, number BIGINT NOT NULL, at_us BIGINT NOT NULL,
    kind WORD NOT NULL, action WORD NOT NULL, run WORD NOT NULL, agent WORD NOT NULL, tool WORD NOT NULL,
    resource WORD NOT NULL, status WORD NOT NULL, reason WORD NOT NULL,
    body BYTEA, payload BYTEA NOT NULL, hash BYTEA NOT NULL
);
CREATE UNIQUE INDEX journal_chain ON journal (writer, number);
CREATE INDEX journal_run ON journal (run, seq) WHERE run <> '';
CREATE INDEX journal_resource ON journal (resource, seq) WHERE resource <> '';

-- Calls that can be repeated or are running; ended calls that nobody can repeat are dropped.
CREATE TABLE calls (
    run WORD NOT NULL, call WORD NOT NULL, action WORD NOT NULL, agent WORD NOT NULL, tool WORD NOT NULL,
    key WORD NOT NULL, state WORD NOT NULL, attempt BIGINT NOT NULL, owner TEXT NOT NULL, ticket TEXT,
    status TEXT NOT NULL, reason TEXT NOT NULL, why TEXT NOT NULL, result TEXT, at_us BIGINT NOT NULL,
    durable BOOLEAN NOT NULL,
    PRIMARY KEY (run, call)
);
CREATE INDEX calls_running ON calls (key) WHERE state = 'running';

CREATE TABLE failures (key WORD PRIMARY KEY, count BIGINT NOT NULL, at_us BIGINT NOT NULL);
CREATE TABLE latches (agent WORD PRIMARY KEY, stopped_by TEXT NOT NULL, why TEXT NOT NULL, at_us BIGINT NOT NULL);
CREATE TABLE demotions (agent WORD PRIMARY KEY, access TEXT NOT NULL);
CREATE TABLE resources (id WORD PRIMARY KEY, zone TEXT);
CREATE TABLE denials (
    resource WORD NOT NULL, root WORD NOT NULL, verb WORD NOT NULL, rule TEXT NOT NULL, at_us BIGINT NOT NULL,
    PRIMARY KEY (resource, root, verb)
);

-- Values that are only ever read whole are kept as JSON documents beside the columns that find them; `place` is the
-- order in which they were first written.
CREATE TABLE tickets (
    id WORD PRIMARY KEY, place BIGINT GENERATED ALWAYS AS IDENTITY, digest WORD NOT NULL, key WORD NOT NULL,
    state WORD NOT NULL, asked_us BIGINT NOT NULL, run WORD NOT NULL, document TEXT NOT NULL
);
CREATE INDEX tickets_digest ON tickets (digest);
CREATE INDEX tickets_key ON tickets (key);
CREATE INDEX tickets_state ON tickets (state, asked_us);
CREATE TABLE grants (
    id WORD PRIMARY KEY, place BIGINT GENERATED ALWAYS AS IDENTITY, agent WORD NOT NULL, tool WORD NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX grants_tool ON grants (agent, tool);
CREATE TABLE reviewers (name WORD PRIMARY KEY, salt TEXT NOT NULL, public_key TEXT NOT NULL, added_us BIGINT NOT NULL);
CREATE TABLE shapes (tool WORD PRIMARY KEY, state TEXT NOT NULL);

-- What guardrails remember besides zones and refusals: labels on resources, marks (when something happened last) and
-- tallies (sums in buckets of time). `until_us` is when nobody asks any more; 0 for never.
CREATE TABLE labels (
    resource WORD NOT NULL, name WORD NOT NULL, at_us BIGINT NOT NULL,
    PRIMARY KEY (resource, name)
);
CREATE TABLE marks (key WORD PRIMARY KEY, at_us BIGINT NOT NULL, until_us BIGINT NOT NULL);
CREATE TABLE tallies (
    key WORD NOT NULL, bucket BIGINT NOT NULL, amount BIGINT NOT NULL, until_us BIGINT NOT NULL,
    PRIMARY KEY (key, bucket)
);


-- The small tables that every call changes: leave room on each page, so that the old versions of a row go with the next
-- visit to its page, and look often.
ALTER TABLE calls SET (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE failures SET (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE steps SET (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE shapes SET (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE marks SET (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE tallies SET (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);

CREATE FUNCTION now_us() RETURNS BIGINT LANGUAGE sql VOLATILE AS
$$ SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT $$;

-- The first text that is greater than every text that starts with a prefix; code points D800 to DFFF are no text.
CREATE FUNCTION after(prefix TEXT) RETURNS TEXT LANGUAGE sql IMMUTABLE STRICT AS
$$ SELECT left(prefix, -1) || chr(CASE ascii(right(prefix, 1)) WHEN 55295 THEN 57344 ELSE ascii(right(prefix, 1)) + 1 END) $$;

-- Whether a writer lives: its session holds, or waits for, the advisory lock of its id. All locks are gone after the
-- server started or connections were lost at `disturbed_us`; for 30 s nobody who was there before is taken for dead.
CREATE FUNCTION alive(owner TEXT, disturbed_us BIGINT) RETURNS BOOLEAN LANGUAGE plpgsql STABLE AS $$
DECLARE
    number BIGINT;
    since_us BIGINT;
BEGIN
    IF owner !~ '^[0-9a-f]{12}$' THEN
        RETURN FALSE;
    END IF;
    number := ('x4852' || owner)::BIT(64)::BIGINT;
    IF EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND classid::BIGINT = number >> 32 AND objid::BIGINT = number & 4294967295
    ) THEN
        RETURN TRUE;
    END IF;
    since_us := greatest((extract(epoch FROM pg_postmaster_start_time()) * 1000000)::BIGINT, disturbed_us);
    RETURN now_us() < since_us + 30000000
        AND EXISTS (SELECT FROM writers WHERE writers.id = owner AND writers.opened_us < since_us);
END $$;
