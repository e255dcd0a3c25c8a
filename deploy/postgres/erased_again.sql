-- Takes over erasures from a database that is replaced, so that the erased stay erased: psql "$RECSYS_STATE_DATABASE" -f erased_again.sql
-- Before, out of the replaced one: psql OLD -c "\copy recsys.tombstones TO 'tombstones.csv' csv". State of another schema: change recsys.
\set ON_ERROR_STOP on
BEGIN;
SELECT last FROM recsys.sequence WHERE name = 'log' FOR UPDATE;
CREATE TEMPORARY TABLE told (LIKE recsys.tombstones) ON COMMIT DROP;
\copy told FROM 'tombstones.csv' csv
DELETE FROM told USING recsys.tombstones AS known
WHERE (known.subject, known.until) = (told.subject, told.until) AND known.since IS NOT DISTINCT FROM told.since;
-- Above the numbers that they had: what a snapshot that holds the erased has taken in ends before those.
UPDATE recsys.sequence SET last = greatest(last, (SELECT max(seq) FROM told)) WHERE name = 'log';
INSERT INTO recsys.tombstones (seq, subject, since, until, received_at)
SELECT (SELECT last FROM recsys.sequence WHERE name = 'log') + row_number() OVER (ORDER BY seq), subject, since, until, received_at FROM told;
UPDATE recsys.sequence SET last = last + (SELECT count(*) FROM told), commits = commits + 1 WHERE name = 'log';
COMMIT;
