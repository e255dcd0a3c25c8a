-- What shoppers do not want to see.
CREATE TABLE dislikes (
    seq bigint PRIMARY KEY, user_id text COLLATE "C" NOT NULL, hides text NOT NULL, value text COLLATE "C" NOT NULL,
    said_at bigint NOT NULL, until bigint NOT NULL, received_at bigint NOT NULL, UNIQUE (user_id, hides, value)
);
CREATE INDEX dislikes_by_end ON dislikes (until);
