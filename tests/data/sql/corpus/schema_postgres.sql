CREATE TABLE customer (id int PRIMARY KEY, name text, email text, country text, created_at timestamptz, profile jsonb);
CREATE TABLE lead (id int PRIMARY KEY, status text, score int, company_size int, owner text, updated_at timestamptz);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int, total numeric, currency text, placed_at timestamptz, tags text[]);
CREATE TABLE order_line (order_id int, line_no int, sku text, qty int, price numeric, PRIMARY KEY (order_id, line_no));
CREATE TABLE api_key (id int PRIMARY KEY, customer_id int, secret text);
CREATE TABLE event (at timestamptz, kind text, payload jsonb);
CREATE TABLE "Mixed Case" ("Id" int PRIMARY KEY, "select" text);
INSERT INTO customer VALUES
 (1,'Ada Berg','ada@berg.no','NO','2023-01-05 09:00+00','{"tier":"gold","age":41,"tags":["vip","beta"],"address":{"city":"Oslo","zip":"0150"}}'),
 (2,'Bo Lind','bo@lind.se','SE','2023-02-11 12:30+00','{"tier":"silver","age":29,"tags":["beta"],"address":{"city":"Malmo"}}'),
 (3,'Chloé Martin','chloe@martin.fr','FR','2023-02-20 18:45+00','{"tier":"gold","tags":[]}'),
 (4,'Dan O''Neil',NULL,'IE','2023-04-01 00:00+00',NULL),
 (5,'Eva Roth','eva@roth.de','DE','2024-01-15 07:15+00','{"tier":"bronze","age":55,"optout":true}'),
 (6,'Finn Voss','FINN@VOSS.DE','DE','2024-03-03 10:00+00','{}');
INSERT INTO lead VALUES
 (1,'new',10,50,'kim','2024-05-01 08:00+00'),(2,'new',75,500,'kim','2024-05-02 08:00+00'),
 (3,'qualified',82,1200,'lee','2024-05-03 09:00+00'),(4,'lost',5,NULL,NULL,'2024-03-01 09:00+00'),
 (5,'won',91,2500,'lee','2024-04-20 14:00+00'),(6,'contacted',40,80,'moa','2024-05-05 16:00+00'),
 (7,'new',NULL,20,'moa',NULL);
INSERT INTO orders VALUES
 (100,1,250.00,'EUR','2024-01-10 10:00+00','{gift,priority}'),(101,1,99.50,'EUR','2024-01-12 11:00+00','{}'),
 (102,2,1200.00,'SEK','2024-02-01 09:30+00','{bulk}'),(103,3,15.25,'EUR','2024-02-14 20:00+00',NULL),
 (104,5,640.00,'EUR','2024-03-01 12:00+00','{bulk,priority}'),(105,5,80.00,'EUR','2024-03-02 12:00+00','{gift}'),
 (106,99,33.00,'USD','2024-03-05 12:00+00','{}'),(107,2,410.75,'SEK','2024-04-09 08:10+00','{priority}');
INSERT INTO order_line VALUES
 (100,1,'A-100',2,100.00),(100,2,'B-200',1,50.00),(101,1,'A-100',1,99.50),(102,1,'C-300',12,100.00),
 (103,1,'B-200',1,15.25),(104,1,'A-100',4,110.00),(104,2,'C-300',2,100.00),(105,1,'D-400',1,80.00),(107,1,'C-300',4,102.6875);
INSERT INTO api_key VALUES (1,1,'sk_live_aaaa1111'),(2,2,'sk_live_bbbb2222'),(3,5,'sk_test_cccc3333');
INSERT INTO event VALUES
 ('2024-05-01 10:00+00','login','{"user":1,"ip":"10.0.0.1"}'),('2024-05-01 10:05+00','view','{"user":1,"page":"/pricing","ms":120}'),
 ('2024-05-01 11:30+00','view','{"user":2,"page":"/docs","ms":340}'),('2024-05-02 09:00+00','login','{"user":2,"ip":"10.0.0.2"}'),
 ('2024-05-04 09:00+00','purchase','{"user":1,"items":[{"sku":"A-100","qty":2},{"sku":"B-200","qty":1}]}'),('2024-05-05 23:59+00','error',NULL);
INSERT INTO "Mixed Case" VALUES (1,'one'),(2,'two'),(3,NULL);
