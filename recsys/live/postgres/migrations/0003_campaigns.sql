-- Campaigns that were put while serving, and what all items of a send meet.
ALTER TABLE sends ADD COLUMN filter bytea;

CREATE TABLE campaigns (
    seq bigint PRIMARY KEY, campaign_id text COLLATE "C" NOT NULL UNIQUE, campaign bytea, received_at bigint NOT NULL
);
