-- A table per kind of row, numbered by one sequence over all of them; ids sort and compare by their bytes.
CREATE TABLE sequence (
    name text COLLATE "C" PRIMARY KEY, last bigint NOT NULL, commits bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO sequence (name, last, commits) VALUES ('log', 0, 0), ('slates', 0, 0);

CREATE TABLE events (
    seq bigint PRIMARY KEY, event_id text COLLATE "C" NOT NULL, user_id text COLLATE "C" NOT NULL, event_type smallint NOT NULL,
    timestamp bigint NOT NULL, received_at bigint NOT NULL, item_id text COLLATE "C", order_id text COLLATE "C",
    quantity double precision, price double precision, currency text COLLATE "C", details bytea
);
CREATE UNIQUE INDEX events_by_id ON events (event_id);
CREATE INDEX events_by_user ON events (user_id, timestamp, seq);
CREATE INDEX orders_by_user ON events (user_id, timestamp, seq) WHERE event_type IN (7, 8);

CREATE TABLE links (
    seq bigint PRIMARY KEY, anonymous_id text COLLATE "C" NOT NULL, user_id text COLLATE "C" NOT NULL, timestamp bigint NOT NULL,
    received_at bigint NOT NULL
);
CREATE INDEX links_by_anonymous_id ON links (anonymous_id);
CREATE INDEX links_by_user ON links (user_id);

CREATE TABLE item_updates (
    seq bigint PRIMARY KEY, item_id text COLLATE "C" NOT NULL, available boolean, stock double precision, price double precision,
    received_at bigint NOT NULL
);

CREATE TABLE item_changes (
    seq bigint PRIMARY KEY, item_id text COLLATE "C" NOT NULL, change text COLLATE "C" NOT NULL, changed_at bigint NOT NULL,
    price_before double precision, price_after double precision
);
CREATE INDEX item_changes_by_time ON item_changes (changed_at);

CREATE TABLE tombstones (
    seq bigint PRIMARY KEY, subject text COLLATE "C" NOT NULL, since bigint, until bigint NOT NULL, received_at bigint NOT NULL
);

CREATE TABLE sends (
    seq bigint PRIMARY KEY, send_id text COLLATE "C" NOT NULL UNIQUE, placement text COLLATE "C" NOT NULL,
    max_items bigint NOT NULL, template text COLLATE "C", expires_at bigint NOT NULL, received_at bigint NOT NULL
);

CREATE TABLE pins (
    seq bigint PRIMARY KEY, send_id text COLLATE "C" NOT NULL, user_id text COLLATE "C" NOT NULL, slate bytea NOT NULL,
    received_at bigint NOT NULL, UNIQUE (send_id, user_id)
);
CREATE INDEX pins_by_user ON pins (user_id, seq);

CREATE TABLE replacements (
    seq bigint PRIMARY KEY, send_id text COLLATE "C" NOT NULL, user_id text COLLATE "C" NOT NULL, place bigint NOT NULL,
    item_out text COLLATE "C" NOT NULL, item_in bytea NOT NULL, received_at bigint NOT NULL,
    UNIQUE (send_id, user_id, place, item_out)
);

CREATE TABLE images_served (
    seq bigint PRIMARY KEY, send_id text COLLATE "C" NOT NULL, user_id text COLLATE "C" NOT NULL, place bigint NOT NULL,
    item_id text COLLATE "C" NOT NULL, received_at bigint NOT NULL, UNIQUE (send_id, user_id, place, item_id)
);

CREATE TABLE moments (
    seq bigint PRIMARY KEY, moment_id text COLLATE "C" NOT NULL UNIQUE, user_id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL, found_at bigint NOT NULL, received_at bigint NOT NULL, line bytea
);
CREATE INDEX moments_by_kind ON moments (kind, seq, found_at);
CREATE INDEX moments_by_user ON moments (user_id, found_at, kind);

CREATE TABLE logged_slates (
    seq bigint PRIMARY KEY, recommendation_id text COLLATE "C" NOT NULL UNIQUE, user_id text COLLATE "C",
    answered_at bigint NOT NULL, slate bytea NOT NULL
);
CREATE INDEX logged_slates_by_user ON logged_slates (user_id);
