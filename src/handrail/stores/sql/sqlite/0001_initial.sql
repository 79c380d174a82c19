-- What every store starts with. Migrations are numbered and never changed once released.

CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- One row for each chain, for people who look; whether its writer still lives is asked of the kernel (stores/life.py).
CREATE TABLE writers (
    id TEXT PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, started TEXT NOT NULL, opened_us INTEGER NOT NULL
) WITHOUT ROWID;

-- Append-only; one hash chain for each writer (stores/chain.py). A pruned row has no body.
CREATE TABLE journal (
    seq INTEGER PRIMARY KEY,
    writer TEXT NOT NULL, number INTEGER NOT NULL, at_us INTEGER NOT NULL,
    kind TEXT NOT NULL, action TEXT NOT NULL, run TEXT NOT NULL, agent TEXT NOT NULL, tool TEXT NOT NULL,
    resource TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL,
    body BLOB, payload BLOB NOT NULL, hash BLOB NOT NULL
);
CREATE INDEX journal_run ON journal (run, seq) WHERE run <> '';
CREATE INDEX journal_resource ON journal (resource, seq) WHERE resource <> '';

-- Calls that can be repeated or are running; ended calls that nobody can repeat are dropped.
CREATE TABLE calls (
    run TEXT NOT NULL, call TEXT NOT NULL, action TEXT NOT NULL, agent TEXT NOT NULL, tool TEXT NOT NULL,
    key TEXT NOT NULL, state TEXT NOT NULL, attempt INTEGER NOT NULL, owner TEXT NOT NULL, ticket TEXT,
    status TEXT NOT NULL, reason TEXT NOT NULL, why TEXT NOT NULL, result TEXT, at_us INTEGER NOT NULL,
    durable INTEGER NOT NULL,
    PRIMARY KEY (run, call)
);
CREATE INDEX calls_running ON calls (key) WHERE state = 'running';

CREATE TABLE failures (key TEXT PRIMARY KEY, count INTEGER NOT NULL, at_us INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE latches (
    agent TEXT PRIMARY KEY, stopped_by TEXT NOT NULL, why TEXT NOT NULL, at_us INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE demotions (agent TEXT PRIMARY KEY, access TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE resources (id TEXT PRIMARY KEY, zone TEXT) WITHOUT ROWID;
CREATE TABLE denials (
    resource TEXT NOT NULL, root TEXT NOT NULL, verb TEXT NOT NULL, rule TEXT NOT NULL, at_us INTEGER NOT NULL,
    PRIMARY KEY (resource, root, verb)
) WITHOUT ROWID;

-- Values that are only ever read whole are kept as JSON documents beside the columns that find them.
CREATE TABLE tickets (
    id TEXT PRIMARY KEY, digest TEXT NOT NULL, key TEXT NOT NULL, state TEXT NOT NULL, asked_us INTEGER NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX tickets_digest ON tickets (digest);
CREATE INDEX tickets_key ON tickets (key);
CREATE INDEX tickets_state ON tickets (state, asked_us);
CREATE TABLE grants (id TEXT PRIMARY KEY, agent TEXT NOT NULL, tool TEXT NOT NULL, document TEXT NOT NULL);
CREATE INDEX grants_tool ON grants (agent, tool);
CREATE TABLE reviewers (
    name TEXT PRIMARY KEY, salt TEXT NOT NULL, public_key TEXT NOT NULL, added_us INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE shapes (tool TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
