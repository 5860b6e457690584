-- What a client of that database does: joins, groups, changes, prepared statements, \copy, and some mistakes.
\set VERBOSITY terse
SELECT a.name, count(*) AS albums FROM artist a JOIN album USING (artist_id) GROUP BY a.name ORDER BY 2 DESC, 1 LIMIT 3;
SELECT t.name, sum(quantity * unit_price) AS income FROM track t JOIN invoice_line USING (track_id)
  WHERE sold >= '2026-06-01' GROUP BY t.name ORDER BY income DESC, t.name LIMIT 3;
PREPARE titles AS SELECT count(*) FROM album WHERE artist_id = $1;
EXECUTE titles(7);
EXECUTE titles(8);
BEGIN;
UPDATE track SET unit_price = 1.29 WHERE album_id = 5;
INSERT INTO artist VALUES (51, 'A new one');
COMMIT;
INSERT INTO artist VALUES (51, 'Twice');
SELECT * FROM playlist;
\copy artist TO artists.tsv
CREATE TEMPORARY TABLE artist_copy (LIKE artist);
\copy artist_copy FROM artists.tsv
SELECT count(*) FROM artist_copy;
SELECT pg_sleep(0.2);
