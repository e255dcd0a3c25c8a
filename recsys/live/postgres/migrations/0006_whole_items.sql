-- Items that were put whole while serving.
-- additive
ALTER TABLE item_updates ADD COLUMN item bytea;
