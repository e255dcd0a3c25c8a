-- Items that were put whole while serving.
ALTER TABLE item_updates ADD COLUMN item bytea;
