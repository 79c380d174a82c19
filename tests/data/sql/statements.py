"""Statements of our own, beside those that somebody else collected: harmless reads, and what has to be refused."""

HARMLESS_POSTGRES = """
SELECT * FROM lead
SELECT id, status FROM lead WHERE score > 10 AND owner IS NOT NULL ORDER BY score DESC NULLS LAST LIMIT 5
select l.id, c.name from lead l join customer c on c.id = l.id
SELECT c.name, o.total FROM customer AS c LEFT OUTER JOIN orders AS o ON o.customer_id = c.id AND o.total > 100
SELECT a.id FROM lead a CROSS JOIN lead b WHERE a.id < b.id
SELECT * FROM orders JOIN order_line ON order_line.order_id = orders.id AND qty BETWEEN 1 AND 4
SELECT customer_id, sum(total) FILTER (WHERE currency = 'EUR') FROM orders GROUP BY customer_id HAVING count(*) > 1
SELECT owner, status, count(*) FROM lead GROUP BY GROUPING SETS ((owner), (status), ())
SELECT owner, status, count(*), grouping(owner) FROM lead GROUP BY ROLLUP (owner, status) ORDER BY 1, 2
SELECT owner, status, count(*) FROM lead GROUP BY CUBE (owner, status)
WITH big AS (SELECT id FROM orders WHERE total > 200) SELECT o.* FROM orders o JOIN big ON big.id = o.id
WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS y FROM a) SELECT x, y FROM a, b
WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 20) SELECT sum(i) FROM n
WITH m AS MATERIALIZED (SELECT id FROM lead) SELECT count(*) FROM m
SELECT id, row_number() OVER (PARTITION BY owner ORDER BY score DESC) AS rank FROM lead
SELECT id, sum(total) OVER w, avg(total) OVER (w ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM orders WINDOW w AS (ORDER BY id)
SELECT id, lag(total, 1, 0) OVER (ORDER BY placed_at), first_value(id) OVER (ORDER BY total) FROM orders
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY total) FROM orders
SELECT mode() WITHIN GROUP (ORDER BY currency) FROM orders
SELECT id FROM lead UNION ALL SELECT id FROM orders EXCEPT SELECT 3 INTERSECT SELECT 4 ORDER BY 1 LIMIT 3
(SELECT id FROM lead LIMIT 2) UNION (SELECT id FROM orders LIMIT 2) ORDER BY id
SELECT name FROM customer c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id)
SELECT name, (SELECT max(total) FROM orders o WHERE o.customer_id = c.id) AS top FROM customer c
SELECT * FROM lead WHERE (status, owner) IN (('new', 'kim'), ('won', 'lee'))
SELECT * FROM lead WHERE id = ANY (ARRAY[1, 2, 3]) OR id <> ALL (ARRAY[7])
SELECT x.n FROM (SELECT count(*) AS n FROM lead) AS x
SELECT q.id, r.total FROM customer q, LATERAL (SELECT total FROM orders o WHERE o.customer_id = q.id LIMIT 1) r
SELECT l.id, t.tag FROM orders l LEFT JOIN LATERAL unnest(l.tags) WITH ORDINALITY AS t(tag, n) ON true
SELECT date_trunc('month', created_at), count(*) FROM customer GROUP BY 1 ORDER BY 1
SELECT EXTRACT(YEAR FROM created_at), EXTRACT(epoch FROM created_at), date_part('dow', created_at) FROM customer
SELECT created_at::date, created_at AT TIME ZONE 'Europe/Berlin', created_at + INTERVAL '1 day' FROM customer
SELECT DATE '2024-01-31' + 1, TIMESTAMP '2024-01-31 10:00' - INTERVAL '2 hours 30 minutes', age(now(), created_at) FROM customer
SELECT to_char(created_at, 'YYYY-MM-DD HH24:MI'), to_date('2024-01-01', 'YYYY-MM-DD'), to_timestamp(0) FROM customer
SELECT make_date(2024, 1, 31), make_interval(days => 3), justify_days(interval '35 days')
SELECT profile -> 'address' ->> 'city', profile #>> '{address,zip}', profile ->> 'tier' FROM customer
SELECT * FROM customer WHERE profile @> '{"tier": "gold"}' OR profile ? 'optout' OR profile ?| ARRAY['age'] OR profile ?& ARRAY['x']
SELECT jsonb_array_length(profile -> 'tags'), jsonb_typeof(profile), (profile ->> 'age')::int + 1 FROM customer
SELECT c.id, e.key, e.value FROM customer c, jsonb_each(c.profile) AS e
SELECT r.sku, r.qty FROM event, jsonb_to_recordset(payload -> 'items') AS r(sku text, qty int)
SELECT jsonb_path_query_first(profile, '$.tags[0]'), profile @? '$.age', profile - 'age' || '{"a": 1}' FROM customer
SELECT json_build_object('id', id, 'name', name), row_to_json(c), to_jsonb(c.*) FROM customer c
SELECT jsonb_agg(t ORDER BY t.id) FROM (SELECT id, name FROM customer) t
SELECT jsonb_object_agg(id, status) FROM lead
SELECT tags[1], tags[1:2], array_length(tags, 1), cardinality(tags), tags && ARRAY['gift'], 'bulk' = ANY (tags) FROM orders
SELECT array_agg(id ORDER BY id DESC), string_agg(status, ', ' ORDER BY status), count(DISTINCT owner) FROM lead
SELECT ARRAY(SELECT id FROM lead ORDER BY id), array_to_string(ARRAY[1, 2], '-'), ARRAY[[1, 2], [3, 4]]
SELECT CASE WHEN score > 50 THEN 'hot' WHEN score IS NULL THEN '?' ELSE 'cold' END, CASE owner WHEN 'kim' THEN 1 END FROM lead
SELECT COALESCE(score, 0), NULLIF(owner, ''), GREATEST(1, score), LEAST(score, 3) FROM lead
SELECT upper(name), lower(name), initcap(name), length(name), char_length(name), name || '!', left(name, 2), right(name, 2) FROM customer
SELECT substring(name FROM 1 FOR 3), substring(name, 2), substr(name, 1, 2), position('a' IN name), trim(BOTH ' ' FROM name) FROM customer
SELECT replace(name, 'a', 'b'), split_part(email, '@', 2), regexp_replace(name, '\\s+', ' ', 'g'), lpad(name, 20, '.') FROM customer
SELECT name FROM customer WHERE name LIKE 'A%' OR name ILIKE '%o%' OR name SIMILAR TO '(A|B)%' OR name ~ '^[A-C]' OR name !~* 'x'
SELECT * FROM lead WHERE score NOT BETWEEN 1 AND 5 AND owner NOT IN ('a', 'b') AND status NOT LIKE 'x%'
SELECT * FROM lead WHERE owner IS DISTINCT FROM 'kim' AND (score > 1) IS NOT TRUE
SELECT DISTINCT ON (owner) owner, id FROM lead ORDER BY owner, score DESC
SELECT DISTINCT status FROM lead
SELECT id FROM lead ORDER BY id OFFSET 2 ROWS FETCH NEXT 3 ROWS ONLY
VALUES (1, 'a'), (2, 'b')
TABLE lead
SELECT v.n, v.t FROM (VALUES (1, 'a'), (2, 'b')) AS v(n, t)
SELECT g, g * 2 FROM generate_series(1, 5) AS g
SELECT d::date FROM generate_series('2024-01-01'::timestamp, '2024-01-05'::timestamp, '1 day') AS d
SELECT "Id", "select" FROM "Mixed Case" WHERE "select" = 'one'
SELECT m."Id" FROM public."Mixed Case" m
SELECT LEAD.ID, Lead.Status FROM LEAD
SELECT round(total, 2), ceil(total), floor(total), abs(-1), total % 7, 2 ^ 3, sqrt(4), trunc(1.7), mod(7, 3) FROM orders
SELECT 7 / 2, 7.0 / 2, 1e3, .5, -3, +4, 5 & 3, 5 | 3, 5 # 3, ~5, 1 << 2, 8 >> 1, |/ 16
SELECT stddev(total), variance(total), corr(total, id), min(total), max(total), avg(total), bool_and(total > 1) FROM orders
SELECT 'it''s', '', 'a -- b', 'a /* b */ c', 'semi;colon', E'tab\\there', $$dollar's$$
SELECT 1 -- a comment
/* a /* nested */ comment */ SELECT /* here */ 2
SELECT current_date, current_timestamp, localtimestamp, now() - interval '1 hour'
SELECT name COLLATE "C" FROM customer ORDER BY name COLLATE "C"
SELECT to_tsvector('english', name) @@ plainto_tsquery('english', 'ada') FROM customer
SELECT md5(name), encode(sha256(name::bytea), 'hex') FROM customer WHERE name = 'Ada Berg'
SELECT cast(id AS text), id::numeric(10, 2), '5'::int8, 'x'::varchar(3), '{1,2}'::int[], id::double precision FROM lead
SELECT (SELECT count(*) FROM lead) - (SELECT count(*) FROM orders)
SELECT * FROM lead NATURAL JOIN (SELECT id FROM orders) o
SELECT * FROM customer FULL OUTER JOIN lead USING (id)
SELECT o.id FROM (orders o JOIN customer c ON c.id = o.customer_id) LEFT JOIN lead l ON l.id = c.id
SELECT EXISTS (SELECT 1 FROM lead WHERE id = 1) AND NOT EXISTS (SELECT 1 FROM lead WHERE id = 99)
SELECT format('%s has %s', name, id) FROM customer
SELECT width_bucket(score, 0, 100, 4), ntile(4) OVER (ORDER BY score), cume_dist() OVER (ORDER BY score) FROM lead
SELECT name AS "the name", id AS "select" FROM customer ORDER BY "the name"
SELECT (date '2024-01-01', date '2024-02-01') OVERLAPS (date '2024-01-15', date '2024-03-01')
""".strip().split("\n")

HARMLESS_SQLITE = """
SELECT * FROM lead
SELECT id, status FROM lead WHERE score > 10 AND owner IS NOT NULL ORDER BY score DESC NULLS LAST LIMIT 5
select l.id, c.name from lead l join customer c on c.id = l.id limit 2, 3
SELECT c.name, o.total FROM customer AS c LEFT JOIN orders AS o ON o.customer_id = c.id
SELECT customer_id, sum(total) FILTER (WHERE currency = 'EUR') FROM orders GROUP BY customer_id HAVING count(*) > 1
WITH big AS (SELECT id FROM orders WHERE total > 200) SELECT o.* FROM orders o JOIN big ON big.id = o.id
WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 20) SELECT sum(i) FROM n
SELECT id, row_number() OVER (PARTITION BY owner ORDER BY score DESC) AS r FROM lead
SELECT id FROM lead UNION SELECT id FROM orders ORDER BY 1 LIMIT 3
SELECT name FROM customer c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id)
SELECT * FROM lead WHERE (status, owner) IN (VALUES ('new', 'kim'), ('won', 'lee'))
SELECT strftime('%Y-%m', created_at), date(created_at, '+1 month'), julianday(created_at) FROM customer
SELECT datetime('2024-01-01', 'start of month', '-1 day'), time('12:00'), unixepoch('2024-01-01')
SELECT json_extract(profile, '$.tier'), profile -> 'address' ->> '$.city', json_array_length(profile, '$.tags') FROM customer
SELECT c.id, e.value FROM customer c, json_each(c.profile, '$.tags') AS e
SELECT json_group_array(id), json_object('a', 1, 'b', 'x'), json_type('[1]'), json_valid('{}') FROM lead
SELECT group_concat(status, ', '), count(DISTINCT owner), total(score) FROM lead
SELECT iif(score > 50, 'hot', 'cold'), ifnull(owner, '?'), coalesce(owner, status), nullif(owner, 'kim') FROM lead
SELECT upper(name), length(name), substr(name, 1, 3), instr(name, 'a'), trim(name), replace(name, 'a', 'b') FROM customer
SELECT name || ' <' || email || '>', printf('%.2f', 1.5), format('%5d|%-5s', 3, 'x'), quote(name), hex(name) FROM customer
SELECT * FROM customer WHERE name LIKE '10\\%%' ESCAPE '\\' OR name GLOB 'A*' OR name NOT LIKE '%z'
SELECT * FROM lead WHERE owner IS 'kim' OR score IS NOT 5 OR owner ISNULL OR owner NOTNULL
SELECT [id], `status`, "owner" FROM [lead] WHERE id == 1 OR id <> 2
SELECT "Id", "select" FROM "Mixed Case" WHERE "select" = 'one' COLLATE NOCASE
SELECT LEAD.ID FROM main.lead
SELECT max(1, 2), min(3, 4), round(2.5), abs(-1), random() IS NOT NULL, typeof(1.0), 7 / 2, 7 % 2, 5 & 1, 1 << 2, ~1
SELECT cast(score AS text), cast(total AS real) FROM lead, orders WHERE lead.id = 1 AND orders.id = 100
SELECT CASE WHEN score > 50 THEN 1 ELSE 0 END AS hot, count(*) FROM lead GROUP BY hot HAVING hot >= 0
SELECT * FROM lead WHERE score NOT BETWEEN 1 AND 5 AND id NOT IN (1, 2) -- end
VALUES (1, 'a'), (2, 'b')
SELECT lag(total) OVER w, sum(total) OVER (ORDER BY id ROWS 2 PRECEDING) FROM orders WINDOW w AS (ORDER BY id)
SELECT a.id FROM lead a, lead b WHERE a.owner = b.owner AND a.id < b.id GROUP BY a.id
""".strip().split("\n")

REFUSED_BOTH = """
DROP TABLE lead
CREATE TABLE x (id int)
CREATE TABLE x AS SELECT * FROM lead
ALTER TABLE lead ADD COLUMN x int
TRUNCATE lead
VACUUM
BEGIN
COMMIT
SAVEPOINT x
REINDEX
ANALYZE
EXPLAIN SELECT 1
SELECT 1; DELETE FROM lead
SELECT 1; SELECT 2
;
SELECT
-- nothing
WITH d AS (DELETE FROM lead RETURNING *) SELECT * FROM d
WITH d AS (UPDATE lead SET score = 0 RETURNING *) SELECT * FROM d
WITH d AS (INSERT INTO lead (id) VALUES (99) RETURNING *) SELECT * FROM d
SELECT * FROM (DELETE FROM lead RETURNING *) x
SELECT * FROM lead WHERE id = ?
SELECT * FROM lead WHERE id = :id
SELECT * FROM lead WHERE id = $1
SELECT * FROM lead WHERE id = @x
SELECT 1 /*! UNION SELECT 2 */
SELECT /*+ FULL(lead) */ 1
SELECT /*M! 1 */ 2
/*!50000 DELETE FROM lead */
SELECT nosuch(1)
SELECT main.upper('x')
SELECT "upper"('x')
SELECT "nosuch"('x')
SELECT load_extension('x')
SELECT readfile('/etc/passwd')
SELECT writefile('/tmp/x', 'x')
SELECT nosuch FROM lead
SELECT x.id FROM lead
SELECT lead.nosuch FROM lead
SELECT * FROM lead WHERE 'unclosed
SELECT * FROM lead WHERE "unclosed
SELECT 1 /* unclosed
SELECT ((((1
SELECT 'a' 'b'
SELECT x'41'
SELECT 0x41
SELECT 1a
SELECT 1_000
INSERT INTO lead (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET score = 1
INSERT INTO lead (id) VALUES (1) ON CONFLICT DO NOTHING
INSERT INTO lead (id) VALUES (1) RETURNING id
INSERT INTO lead DEFAULT VALUES
INSERT INTO lead (id, status) SELECT id, 'x' FROM orders
INSERT INTO lead (id, nosuch) VALUES (1, 2)
INSERT INTO lead (id, status) VALUES (1)
INSERT INTO lead (id, id) VALUES (1, 2)
INSERT INTO lead (id) VALUES (nosuch(1))
REPLACE INTO lead (id) VALUES (1)
UPDATE lead SET id = 9 WHERE id = 1
UPDATE lead SET nosuch = 9 WHERE id = 1
UPDATE lead SET score = 1, score = 2 WHERE id = 1
UPDATE lead SET score = 1 WHERE nosuch = 2
UPDATE lead SET score = nosuch(1) WHERE id = 1
UPDATE lead SET score = 1 WHERE id = 1 RETURNING *
UPDATE lead SET score = o.total FROM orders o WHERE o.id = lead.id
UPDATE lead SET score = 1 WHERE id = 1; UPDATE lead SET score = 2 WHERE id = 2
UPDATE lead SET score = 1 ORDER BY id LIMIT 1
UPDATE lead SET score = DEFAULT WHERE id = 1
UPDATE lead SET (score, owner) = (SELECT 1, 'x') WHERE id = 1
UPDATE event SET kind = 'x' WHERE kind = 'view'
DELETE FROM event WHERE kind = 'view'
DELETE FROM lead WHERE id = 1 RETURNING *
DELETE lead WHERE id = 1
DELETE FROM lead, orders WHERE lead.id = orders.id
DELETE FROM lead USING orders WHERE lead.id = orders.id
WITH x AS (SELECT 1 AS id) UPDATE lead SET score = 1 WHERE id IN (SELECT id FROM x)
WITH x AS (SELECT 1 AS id) DELETE FROM lead WHERE id IN (SELECT id FROM x)
WITH x AS (SELECT 1 AS id) INSERT INTO lead (id) SELECT id FROM x
UPDATE lead SET score = 1 WHERE id IN (DELETE FROM orders RETURNING id)
MERGE INTO lead USING orders ON lead.id = orders.id WHEN MATCHED THEN DELETE
SELECT lead FROM lead
SELECT\u00a01
SELECT 1\u2028
SELECT '\u0000'
SELECT 1\ufeff
SELECT '\ud800'
SELECT 1 -- \u202e
SELECT "na\u200bme" FROM customer
SELECT \u0441ount(*) FROM lead
DELETE\u200bFROM lead
""".strip().split("\n")

REFUSED_POSTGRES = """
SELECT id INTO copied FROM lead
SELECT * INTO TEMP copied FROM lead
SELECT * FROM lead FOR UPDATE
SELECT * FROM lead FOR NO KEY UPDATE SKIP LOCKED
SELECT * FROM lead FOR SHARE OF lead NOWAIT
SELECT nextval('s')
SELECT setval('s', 1)
SELECT set_config('statement_timeout', '0', false)
SELECT current_setting('data_directory')
SELECT pg_sleep(10)
SELECT pg_advisory_lock(1)
SELECT pg_terminate_backend(1)
SELECT pg_notify('a', 'b')
SELECT pg_read_file('/etc/passwd')
SELECT * FROM pg_read_file('/etc/passwd')
SELECT * FROM pg_ls_dir('.')
SELECT lo_create(0)
SELECT lo_export(1, '/tmp/x')
SELECT * FROM dblink('host=x', 'select 1') AS t(a int)
SELECT dblink_exec('x', 'delete from lead')
SELECT query_to_xml('delete from lead', true, true, '')
SELECT ts_stat('select 1')
SELECT database_to_xml(true, true, '')
SELECT txid_current()
SELECT pg_logical_emit_message(true, 'a', 'b')
SELECT repeat('x', 1000000000)
SELECT lpad('x', 1000000000)
SELECT lpad('x', id) FROM lead
SELECT format('%1000000000s', 'x')
SELECT count(*) FROM generate_series(1, 100000000)
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r
SELECT 'pg_class'::regclass
SELECT 'lead'::regclass::oid
SELECT CAST('x' AS regproc)
SELECT NULL::lead
SELECT '(1,2)'::nosuchtype
SELECT ctid, xmin FROM lead
SELECT lead.tableoid FROM lead
SELECT * FROM pg_class
SELECT * FROM pg_catalog.pg_authid
SELECT * FROM information_schema.tables
SELECT * FROM pg_temp.x
SELECT 1 OPERATOR(pg_catalog.+) 2
SELECT 1 <-> 2
SELECT @ -5
SELECT 1 @-1
SELECT (lead).id FROM lead
SELECT (lead.*).id FROM lead
SELECT pg_catalog.pg_sleep(1)
SELECT lead.pg_sleep FROM lead
SELECT U&'d\\0061t'
SELECT U&"d\\0061t" FROM lead
SELECT B'101'
SELECT E'\\x41'
SELECT N'x'
SELECT * FROM ONLY lead
SELECT * FROM lead TABLESAMPLE SYSTEM (1)
SELECT ROW(lead.*) FROM lead
COPY lead TO '/tmp/x'
COPY (SELECT 1) TO PROGRAM 'sh'
DO $$ BEGIN DELETE FROM lead; END $$
CALL p()
EXPLAIN ANALYZE DELETE FROM lead
PREPARE p AS DELETE FROM lead
EXECUTE p
DECLARE c CURSOR FOR SELECT 1
LISTEN x
NOTIFY x
LOCK TABLE lead
SET statement_timeout = 0
RESET ALL
SHOW data_directory
GRANT ALL ON lead TO public
SECURITY LABEL ON TABLE lead IS 'x'
IMPORT FOREIGN SCHEMA x FROM SERVER y INTO z
REFRESH MATERIALIZED VIEW x
UPDATE ONLY lead SET score = 1
UPDATE lead SET score = 1 WHERE CURRENT OF c
UPDATE orders SET tags[1] = 'x' WHERE id = 100
UPDATE lead SET lead.score = 1 WHERE id = 1
UPDATE lead SET score = nextval('s') WHERE id = 1
UPDATE lead SET score = 1 WHERE pg_sleep(1) IS NULL
INSERT INTO lead (id) OVERRIDING SYSTEM VALUE VALUES (1)
INSERT INTO lead AS l (id) VALUES (1)
INSERT INTO lead (id, score) VALUES (99, DEFAULT)
INSERT INTO pg_class (relname) VALUES ('x')
DELETE FROM pg_catalog.pg_class
DELETE FROM lead WHERE CURRENT OF c
""".strip().split("\n")

REFUSED_SQLITE = """
PRAGMA table_info(lead)
PRAGMA writable_schema = 1
ATTACH DATABASE '/tmp/x.db' AS x
DETACH DATABASE x
INSERT OR REPLACE INTO lead (id) VALUES (1)
INSERT OR IGNORE INTO lead (id) VALUES (1)
UPDATE OR REPLACE lead SET score = 1 WHERE id = 1
UPDATE OR IGNORE lead SET score = 1 WHERE id = 1
UPDATE lead INDEXED BY x SET score = 1
SELECT * FROM lead INDEXED BY x
SELECT * FROM lead NOT INDEXED
SELECT * FROM sqlite_master
SELECT * FROM main.sqlite_schema
SELECT * FROM temp.lead
SELECT * FROM pragma_table_info('lead')
SELECT * FROM dbstat
SELECT rowid FROM lead
SELECT _rowid_, oid FROM lead
SELECT * FROM lead WHERE status = "nosuch"
SELECT "no such column" FROM lead
UPDATE lead SET status = "oops" WHERE id = 1
SELECT zeroblob(1000000000)
SELECT randomblob(1000000000)
SELECT printf('%1000000000d', 1)
SELECT printf('%*d', 1000000000, 1)
SELECT printf(name, 1) FROM customer
SELECT last_insert_rowid()
SELECT changes(), total_changes()
SELECT sqlite_compileoption_get(1)
SELECT fts3_tokenizer('x')
SELECT * FROM customer WHERE name REGEXP 'x'
SELECT * FROM customer ORDER BY name COLLATE nosuch
SELECT $x
SELECT ?1
SELECT 1 /* a /* b */ 2 */
DELETE FROM sqlite_sequence
INSERT INTO sqlite_master (name) VALUES ('x')
UPDATE lead SET rowid = 9 WHERE id = 1
SELECT * FROM 'lead'
SELECT id AS 'x' FROM lead
""".strip().split("\n")
