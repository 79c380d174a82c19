-- What guardrails remember besides zones and refusals: labels on resources, marks (when something happened last) and
-- tallies (sums in buckets of time). `until_us` is when nobody asks any more; 0 for never.

CREATE TABLE labels (
    resource TEXT NOT NULL, name TEXT NOT NULL, at_us INTEGER NOT NULL, PRIMARY KEY (resource, name)
) WITHOUT ROWID;
CREATE TABLE marks (key TEXT PRIMARY KEY, at_us INTEGER NOT NULL, until_us INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE tallies (
    key TEXT NOT NULL, bucket INTEGER NOT NULL, amount INTEGER NOT NULL, until_us INTEGER NOT NULL,
    PRIMARY KEY (key, bucket)
) WITHOUT ROWID;
