-- Accounts of one person that were joined.
CREATE TABLE joins (
    seq bigint PRIMARY KEY, account_id text COLLATE "C" NOT NULL UNIQUE, user_id text COLLATE "C", joined_at bigint NOT NULL,
    received_at bigint NOT NULL
);
CREATE INDEX joins_by_user ON joins (user_id);
