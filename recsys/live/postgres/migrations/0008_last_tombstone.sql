-- The number of the last tombstone in the row of the turn: an event that waited for its turn sees there who was forgotten meanwhile.
-- additive
ALTER TABLE sequence ADD COLUMN tombstone bigint NOT NULL DEFAULT 0;
UPDATE sequence SET tombstone = coalesce((SELECT max(seq) FROM tombstones), 0) WHERE name = 'log';
CREATE FUNCTION note_tombstone() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE sequence SET tombstone = greatest(tombstone, NEW.seq) WHERE name = 'log';
    RETURN NEW;
END $$;
CREATE TRIGGER note_tombstone AFTER INSERT ON tombstones FOR EACH ROW EXECUTE FUNCTION note_tombstone();
