-- The number of the last tombstone in the row of the turn: an event that waited for its turn sees there who was forgotten meanwhile.
-- additive
ALTER TABLE sequence ADD COLUMN tombstone bigint NOT NULL DEFAULT 0;
UPDATE sequence SET tombstone = coalesce((SELECT max(seq) FROM tombstones), 0) WHERE name = 'log';
CREATE FUNCTION note_tombstones() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE sequence SET tombstone = greatest(tombstone, (SELECT max(seq) FROM added)) WHERE name = 'log';
    RETURN NULL;
END $$;
CREATE TRIGGER note_tombstones AFTER INSERT ON tombstones REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION note_tombstones();
