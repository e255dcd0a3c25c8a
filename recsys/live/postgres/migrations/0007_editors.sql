-- Who put a campaign.
-- additive
ALTER TABLE campaigns ADD COLUMN put_by text;
