-- What is too large for one row, in pieces of at most 1 MiB: planned changes, which are swept once they have expired.

CREATE TABLE pieces (
    key WORD NOT NULL, number BIGINT NOT NULL, until_us BIGINT NOT NULL, body BYTEA NOT NULL, PRIMARY KEY (key, number)
);
CREATE INDEX pieces_ended ON pieces (until_us);
