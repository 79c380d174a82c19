-- Every statement of the SQLite store, by name. `:names` stands for a list that the store expands.

-- name: facts_failures
SELECT 'failures', key, count, at_us, '' FROM failures WHERE key = ?
-- name: facts_latches
SELECT 'latch', agent, why, at_us, stopped_by FROM latches WHERE agent IN (:names)
-- name: facts_demotion
SELECT 'access', agent, access, 0, '' FROM demotions WHERE agent = ?
-- name: facts_zones
SELECT 'zone', id, zone, 0, '' FROM resources WHERE id IN (:names)
-- name: facts_denials
SELECT 'denial', resource, verb, 0, rule FROM denials WHERE resource IN (:names) AND root = ?
-- name: facts_labels
SELECT 'label', resource, name, at_us, '' FROM labels WHERE resource IN (:names)
-- name: facts_zones_below
SELECT * FROM (SELECT 'zone', id, zone, 0, '' FROM resources WHERE id >= ? AND id < ? LIMIT ?)
-- name: facts_labels_below
SELECT 'label', resource, name, at_us, '' FROM labels
WHERE resource IN (SELECT DISTINCT resource FROM labels WHERE resource >= ? AND resource < ? LIMIT ?)
-- name: facts_denials_below
SELECT iif(root = ?, 'denial', 'other'), resource, verb, 0, rule FROM denials
WHERE resource IN (SELECT DISTINCT resource FROM denials WHERE resource >= ? AND resource < ? LIMIT ?)
-- name: facts_marks
SELECT 'mark', key, '', at_us, '' FROM marks WHERE key IN (:names)
-- name: facts_tally
SELECT 'sum', key, '', sum(amount), '' FROM tallies WHERE key = ? AND bucket >= ? GROUP BY key
-- name: facts_running
SELECT 'running', run, call, 0, owner FROM calls WHERE state = 'running' AND key = ? AND durable = 1

-- name: append
INSERT INTO journal (writer, number, at_us, kind, action, run, agent, tool, resource, status, reason, body, payload, hash)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
-- name: head
SELECT number, hash FROM journal WHERE writer = ? ORDER BY seq DESC LIMIT 1
-- name: tips
SELECT writer, number, hash FROM journal ORDER BY seq DESC LIMIT 1000
-- name: last_at
SELECT at_us FROM journal ORDER BY seq DESC LIMIT 1
-- name: rows
SELECT seq, writer, number, at_us, kind, action, run, agent, tool, resource, status, reason, body, payload, hash FROM journal
-- name: row_hash
SELECT hash FROM journal WHERE writer = ? AND number = ?
-- name: count_rows
SELECT count(*) FROM journal
-- name: prune
UPDATE journal SET body = NULL WHERE at_us < ? AND body IS NOT NULL AND kind <> 'anchor' AND NOT (kind = 'event' AND reason = 'pruned')
AND action NOT IN (SELECT action FROM calls WHERE state <> 'done')
AND NOT (kind = 'review' AND run IN (SELECT json_extract(document, '$.run') FROM tickets WHERE state = 'pending'))
-- name: prune_failures
DELETE FROM failures WHERE at_us < ?

-- name: put_writer
INSERT OR REPLACE INTO writers (id, host, pid, started, opened_us) VALUES (?, ?, ?, '', ?)

-- name: call
SELECT run, call, action, agent, tool, key, state, attempt, owner, ticket, status, reason, why, result, at_us, durable
FROM calls WHERE run = ? AND call = ?
-- name: unsettled
SELECT run, call, action, agent, tool, key, state, attempt, owner, ticket, status, reason, why, result, at_us, durable
FROM calls WHERE state = 'running' ORDER BY at_us
-- name: put_call
INSERT OR REPLACE INTO calls
(run, call, action, agent, tool, key, state, attempt, owner, ticket, status, reason, why, result, at_us, durable)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
-- name: disown
UPDATE calls SET owner = '' WHERE run = ? AND call = ? AND action = ? AND attempt = ? AND state = 'running'
-- name: drop_call
DELETE FROM calls WHERE run = ? AND call = ?

-- name: failures
SELECT count, at_us FROM failures WHERE key = ?
-- name: put_failures
INSERT OR REPLACE INTO failures (key, count, at_us) VALUES (?, ?, ?)
-- name: drop_failures
DELETE FROM failures WHERE key = ?

-- name: put_zone
INSERT INTO resources (id, zone) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET zone = excluded.zone
-- name: zone
SELECT zone FROM resources WHERE id = ?
-- name: labels
SELECT name, at_us FROM labels WHERE resource = ?
-- name: put_label
INSERT INTO labels (resource, name, at_us) VALUES (?, ?, ?)
ON CONFLICT (resource, name) DO UPDATE SET at_us = max(excluded.at_us, at_us + 1)
-- name: drop_label
DELETE FROM labels WHERE resource = ? AND name = ?
-- name: put_mark
INSERT OR REPLACE INTO marks (key, at_us, until_us) VALUES (?, ?, ?)
-- name: drop_mark
DELETE FROM marks WHERE key = ?
-- name: marks
SELECT key, at_us FROM marks WHERE substr(key, 1, ?) = ?
-- name: prune_marks
DELETE FROM marks WHERE until_us > 0 AND until_us < ?
-- name: add_tally
INSERT INTO tallies (key, bucket, amount, until_us) VALUES (?, ?, ?, ?)
ON CONFLICT (key, bucket) DO UPDATE SET amount = amount + excluded.amount
-- name: drop_buckets
DELETE FROM tallies WHERE key = ? AND until_us > 0 AND until_us < ?
-- name: prune_tallies
DELETE FROM tallies WHERE until_us > 0 AND until_us < ?
-- name: put_denial
INSERT OR REPLACE INTO denials (resource, root, verb, rule, at_us) VALUES (?, ?, ?, ?, ?)
-- name: clear_denials
DELETE FROM denials WHERE resource = ?

-- name: latches
SELECT agent, stopped_by, why, at_us FROM latches ORDER BY agent
-- name: put_latch
INSERT OR REPLACE INTO latches (agent, stopped_by, why, at_us) VALUES (?, ?, ?, ?)
-- name: clear_latch
DELETE FROM latches WHERE agent = ?
-- name: put_access
INSERT OR REPLACE INTO demotions (agent, access) VALUES (?, ?)
-- name: clear_access
DELETE FROM demotions WHERE agent = ?

-- name: ticket
SELECT document FROM tickets WHERE id = ?
-- name: tickets
SELECT document FROM tickets
-- name: put_ticket
INSERT INTO tickets (id, digest, key, state, asked_us, document) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET state = excluded.state, document = excluded.document
-- name: grants
SELECT document FROM grants
-- name: put_grant
INSERT INTO grants (id, agent, tool, document) VALUES (?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET document = excluded.document
-- name: reviewers
SELECT name, salt, public_key, added_us FROM reviewers ORDER BY name
-- name: put_reviewer
INSERT OR REPLACE INTO reviewers (name, salt, public_key, added_us) VALUES (?, ?, ?, ?)
-- name: shape
SELECT state FROM shapes WHERE tool = ?
-- name: put_shape
INSERT OR REPLACE INTO shapes (tool, state) VALUES (?, ?)

-- name: put_piece
INSERT OR REPLACE INTO pieces (key, number, until_us, body) VALUES (?, ?, ?, ?)
-- name: pieces
SELECT number FROM pieces WHERE key = ? ORDER BY number
-- name: piece
SELECT body FROM pieces WHERE key = ? AND number = ?
-- name: drop_pieces
DELETE FROM pieces WHERE key = ?
-- name: prune_pieces
DELETE FROM pieces WHERE until_us < ?
