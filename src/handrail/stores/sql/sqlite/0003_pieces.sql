-- What is too large for one row, in pieces of at most 1 MiB: planned changes, which are swept once they have expired.

CREATE TABLE pieces (
    key TEXT NOT NULL, number INTEGER NOT NULL, until_us INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (key, number)
);
CREATE INDEX pieces_ended ON pieces (until_us);
