-- Every statement of the PostgreSQL store, by name. `:where` stands for conditions that the store adds.

-- name: settings
SELECT set_config('search_path', 'handrail, pg_temp', FALSE), set_config('synchronous_commit', %s, FALSE),
set_config('statement_timeout', %s, FALSE), set_config('lock_timeout', '20s', FALSE),
set_config('idle_in_transaction_session_timeout', '10s', FALSE),
set_config('tcp_keepalives_idle', '10', FALSE), set_config('tcp_keepalives_interval', '5', FALSE),
set_config('tcp_keepalives_count', '3', FALSE), current_setting('server_encoding')
-- name: synchronous
SELECT CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' WHEN 'local' THEN 'on'
ELSE current_setting('synchronous_commit') END
-- name: begin
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE
-- name: lock
SELECT pg_advisory_xact_lock(%s)
-- name: commit
COMMIT
-- name: rollback
ROLLBACK
-- name: savepoint
SAVEPOINT work
-- name: release
RELEASE SAVEPOINT work
-- name: undo
ROLLBACK TO SAVEPOINT work
-- name: snapshot
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY
-- name: now
SELECT greatest(now_us(), (SELECT at_us FROM journal ORDER BY seq DESC LIMIT 1))
-- name: end_old
SELECT pg_terminate_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND objsubid = 1 AND pid <> pg_backend_pid()
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND (classid::BIGINT << 32) + objid::BIGINT = %s
-- name: hold
SELECT pg_advisory_lock(%s)
-- name: try_hold
SELECT pg_try_advisory_lock(%s)
-- name: flush
SELECT pg_logical_emit_message(TRUE, 'handrail', '')
-- name: schema
SELECT 1 FROM pg_namespace WHERE nspname = 'handrail'
-- name: create_schema
CREATE SCHEMA handrail
-- name: tables
SELECT 1 FROM pg_tables WHERE schemaname = 'handrail' AND tablename = 'meta'
-- name: version
SELECT value FROM meta WHERE name = 'version'
-- name: put_version
INSERT INTO meta (name, value) VALUES ('version', %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value

-- name: facts_failures
SELECT 'failures', key, count::TEXT, at_us, '' FROM failures WHERE key = %(key)s
-- name: facts_latches
SELECT 'latch', agent, why, at_us, stopped_by FROM latches WHERE agent = ANY(%(lineage)s)
-- name: facts_demotion
SELECT 'access', agent, access, 0, '' FROM demotions WHERE agent = %(agent)s
-- name: facts_zones
SELECT 'zone', id, zone, 0, '' FROM resources WHERE id = ANY(%(resources)s)
-- name: facts_denials
SELECT 'denial', resource, verb, 0, rule FROM denials WHERE resource = ANY(%(resources)s) AND root = %(root)s
-- name: facts_labels
SELECT 'label', resource, name, at_us, '' FROM labels WHERE resource = ANY(%(resources)s)
-- name: facts_zones_below
SELECT found.* FROM unnest(%(trees)s::TEXT[]) AS tree, LATERAL (
SELECT 'zone', id, zone, 0, '' FROM resources WHERE id >= tree AND id < after(tree) LIMIT %(most)s) AS found
-- name: facts_labels_below
SELECT found.* FROM unnest(%(trees)s::TEXT[]) AS tree, LATERAL (
SELECT 'label', resource, name, at_us, '' FROM labels WHERE resource IN (
SELECT DISTINCT resource FROM labels WHERE resource >= tree AND resource < after(tree) LIMIT %(most)s)) AS found
-- name: facts_denials_below
SELECT found.* FROM unnest(%(trees)s::TEXT[]) AS tree, LATERAL (
SELECT CASE WHEN root = %(root)s THEN 'denial' ELSE 'other' END, resource, verb, 0, rule FROM denials
WHERE resource IN (SELECT DISTINCT resource FROM denials WHERE resource >= tree AND resource < after(tree) LIMIT %(most)s)
) AS found
-- name: facts_marks
SELECT 'mark', key, '', at_us, '' FROM marks WHERE key = ANY(%(marks)s)
-- name: facts_tallies
SELECT 'sum', asked.key, '', sum(amount)::BIGINT, ''
FROM unnest(%(tallies)s::TEXT[], %(since)s::BIGINT[]) AS asked (key, since)
JOIN tallies ON tallies.key = asked.key AND bucket >= since GROUP BY asked.key, since
-- name: facts_running
SELECT 'running', run, call, 0, owner FROM calls
WHERE state = 'running' AND key = %(key)s AND durable AND owner <> %(writer)s AND NOT alive(owner, %(disturbed)s)

-- name: append
INSERT INTO journal (writer, number, at_us, kind, action, run, agent, tool, resource, status, reason, body, payload, hash)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %b, %b, %b)
-- name: head
SELECT number, hash FROM journal WHERE writer = %s ORDER BY number DESC LIMIT 1
-- name: tips
SELECT writer, number, hash FROM journal ORDER BY seq DESC LIMIT 1000
-- name: rows
SELECT seq, writer, number, at_us, kind, action, run, agent, tool, resource, status, reason, body, payload, hash FROM journal
-- name: row_hash
SELECT hash FROM journal WHERE writer = %s AND number = %s
-- name: count_rows
SELECT count(*) FROM journal
-- name: prune
UPDATE journal SET body = NULL WHERE seq BETWEEN %s AND %s AND at_us < %s AND body IS NOT NULL
AND kind <> 'anchor' AND NOT (kind = 'event' AND reason = 'pruned')
AND action NOT IN (SELECT action FROM calls WHERE state <> 'done')
AND NOT (kind = 'review' AND run IN (SELECT run FROM tickets WHERE state = 'pending'))
-- name: span
SELECT coalesce(min(seq), 1), coalesce(max(seq), 0) FROM journal
-- name: prune_failures
DELETE FROM failures WHERE at_us < %s

-- name: put_writer
INSERT INTO writers (id, host, pid, opened_us) VALUES (%s, %s, %s, %s) ON CONFLICT (id) DO NOTHING
-- name: put_step
INSERT INTO steps (writer, connection, number) VALUES (%s, %s, %s)
ON CONFLICT (writer, connection) DO UPDATE SET number = excluded.number
-- name: step
SELECT number FROM steps WHERE writer = %s AND connection = %s

-- name: call
SELECT run, call, action, agent, tool, key, state, attempt, owner, ticket, status, reason, why, result, at_us, durable,
state <> 'running' OR owner = %s OR alive(owner, %s)
FROM calls WHERE run = %s AND call = %s
-- name: unsettled
SELECT run, call, action, agent, tool, key, state, attempt, owner, ticket, status, reason, why, result, at_us, durable,
owner = %s OR alive(owner, %s)
FROM calls WHERE state = 'running' ORDER BY at_us
-- name: put_call
INSERT INTO calls
(run, call, action, agent, tool, key, state, attempt, owner, ticket, status, reason, why, result, at_us, durable)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (run, call) DO UPDATE SET action = excluded.action, agent = excluded.agent, tool = excluded.tool,
key = excluded.key, state = excluded.state, attempt = excluded.attempt, owner = excluded.owner,
ticket = excluded.ticket, status = excluded.status, reason = excluded.reason, why = excluded.why,
result = excluded.result, at_us = excluded.at_us, durable = excluded.durable
-- name: disown
UPDATE calls SET owner = '' WHERE run = %s AND call = %s AND action = %s AND attempt = %s AND state = 'running'
-- name: drop_call
DELETE FROM calls WHERE run = %s AND call = %s

-- name: failures
SELECT count, at_us FROM failures WHERE key = %s
-- name: put_failures
INSERT INTO failures (key, count, at_us) VALUES (%s, %s, %s)
ON CONFLICT (key) DO UPDATE SET count = excluded.count, at_us = excluded.at_us
-- name: drop_failures
DELETE FROM failures WHERE key = %s

-- name: put_zone
INSERT INTO resources (id, zone) VALUES (%s, %s) ON CONFLICT (id) DO UPDATE SET zone = excluded.zone
-- name: zone
SELECT zone FROM resources WHERE id = %s
-- name: labels
SELECT name, at_us FROM labels WHERE resource = %s
-- name: put_label
INSERT INTO labels (resource, name, at_us) VALUES (%s, %s, %s)
ON CONFLICT (resource, name) DO UPDATE SET at_us = greatest(excluded.at_us, labels.at_us + 1)
-- name: drop_labels
DELETE FROM labels WHERE resource = %s AND name = ANY(%s)
-- name: put_mark
INSERT INTO marks (key, at_us, until_us) VALUES (%s, %s, %s)
ON CONFLICT (key) DO UPDATE SET at_us = excluded.at_us, until_us = excluded.until_us
-- name: drop_mark
DELETE FROM marks WHERE key = %s
-- name: marks
SELECT key, at_us FROM marks WHERE starts_with(key, %s)
-- name: prune_marks
DELETE FROM marks WHERE until_us > 0 AND until_us < %s
-- name: add_tally
INSERT INTO tallies (key, bucket, amount, until_us) VALUES (%s, %s, %s, %s)
ON CONFLICT (key, bucket) DO UPDATE SET amount = tallies.amount + excluded.amount
-- name: drop_buckets
DELETE FROM tallies WHERE key = %s AND until_us > 0 AND until_us < %s
-- name: prune_tallies
DELETE FROM tallies WHERE until_us > 0 AND until_us < %s
-- name: put_denial
INSERT INTO denials (resource, root, verb, rule, at_us) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (resource, root, verb) DO UPDATE SET rule = excluded.rule, at_us = excluded.at_us
-- name: clear_denials
DELETE FROM denials WHERE resource = %s

-- name: latches
SELECT agent, stopped_by, why, at_us FROM latches ORDER BY agent
-- name: put_latch
INSERT INTO latches (agent, stopped_by, why, at_us) VALUES (%s, %s, %s, %s)
ON CONFLICT (agent) DO UPDATE SET stopped_by = excluded.stopped_by, why = excluded.why, at_us = excluded.at_us
-- name: clear_latch
DELETE FROM latches WHERE agent = %s
-- name: put_access
INSERT INTO demotions (agent, access) VALUES (%s, %s) ON CONFLICT (agent) DO UPDATE SET access = excluded.access
-- name: clear_access
DELETE FROM demotions WHERE agent = %s

-- name: ticket
SELECT document FROM tickets WHERE id = %s
-- name: tickets
SELECT document FROM tickets WHERE :where ORDER BY asked_us DESC, place DESC LIMIT %s
-- name: put_ticket
INSERT INTO tickets (id, digest, key, state, asked_us, run, document) VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (id) DO UPDATE SET state = excluded.state, document = excluded.document
-- name: grants
SELECT document FROM grants WHERE :where ORDER BY place DESC
-- name: put_grant
INSERT INTO grants (id, agent, tool, document) VALUES (%s, %s, %s, %s)
ON CONFLICT (id) DO UPDATE SET document = excluded.document
-- name: reviewers
SELECT name, salt, public_key, added_us FROM reviewers ORDER BY name
-- name: put_reviewer
INSERT INTO reviewers (name, salt, public_key, added_us) VALUES (%s, %s, %s, %s)
ON CONFLICT (name) DO UPDATE SET salt = excluded.salt, public_key = excluded.public_key, added_us = excluded.added_us
-- name: shape
SELECT state FROM shapes WHERE tool = %s
-- name: put_shape
INSERT INTO shapes (tool, state) VALUES (%s, %s) ON CONFLICT (tool) DO UPDATE SET state = excluded.state

-- name: risks
SELECT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
current_setting('fsync')::BOOLEAN, current_setting('full_page_writes')::BOOLEAN,
NOT coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), FALSE)
AND coalesce(NOT inet_client_addr() <<= '127.0.0.0/8' AND inet_client_addr() <> '::1', FALSE)
-- name: other_writers
SELECT rolname::TEXT FROM pg_roles WHERE rolcanlogin AND NOT rolsuper AND rolname <> current_user
AND (has_schema_privilege(oid, 'handrail', 'CREATE') OR has_schema_privilege(oid, 'handrail', 'USAGE') AND (
SELECT bool_or(has_table_privilege(pg_roles.oid, pg_class.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')) FROM pg_class
WHERE relnamespace = 'handrail'::REGNAMESPACE AND relkind = 'r')) ORDER BY rolname

-- name: put_piece
INSERT INTO pieces (key, number, until_us, body) VALUES (%s, %s, %s, %s)
ON CONFLICT (key, number) DO UPDATE SET until_us = excluded.until_us, body = excluded.body
-- name: pieces
SELECT number FROM pieces WHERE key = %s ORDER BY number
-- name: piece
SELECT body FROM pieces WHERE key = %s AND number = %s
-- name: drop_pieces
DELETE FROM pieces WHERE key = %s
-- name: prune_pieces
DELETE FROM pieces WHERE until_us < %s
