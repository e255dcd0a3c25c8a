"""Format of the live log: a table per kind of row, numbered by one sequence over all of them."""

from __future__ import annotations

from recsys.live.sqlite.formats import Format, Step, nothing_to_bring
from recsys.live.sqlite.one_table import bring_over

_PURCHASE, _REFUND = 7, 8
_TABLES = (
    "CREATE TABLE sequence (last INTEGER NOT NULL) STRICT",
    "INSERT INTO sequence (last) VALUES (0)",
    """CREATE TABLE events (
        seq INTEGER PRIMARY KEY, event_id TEXT NOT NULL, user_id TEXT NOT NULL, event_type INTEGER NOT NULL,
        timestamp INTEGER NOT NULL, received_at INTEGER NOT NULL, item_id TEXT, order_id TEXT, quantity REAL, price REAL,
        currency TEXT, details BLOB
    ) STRICT""",
    "CREATE UNIQUE INDEX events_by_id ON events (event_id)",
    """CREATE INDEX events_by_user ON events
        (user_id, timestamp, seq, event_type, item_id, order_id, quantity, price, currency)""",
    f"""CREATE INDEX orders_by_user ON events
        (user_id, timestamp, seq, event_type, item_id, order_id, quantity, price, currency)
        WHERE event_type IN ({_PURCHASE}, {_REFUND})""",
    "CREATE INDEX events_by_seq ON events (seq, timestamp)",
    """CREATE TABLE links (
        seq INTEGER PRIMARY KEY, anonymous_id TEXT NOT NULL, user_id TEXT NOT NULL, timestamp INTEGER NOT NULL,
        received_at INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX links_by_anonymous_id ON links (anonymous_id)",
    "CREATE INDEX links_by_user ON links (user_id)",
    """CREATE TABLE item_updates (
        seq INTEGER PRIMARY KEY, item_id TEXT NOT NULL, available INTEGER, stock REAL, price REAL, received_at INTEGER NOT NULL
    ) STRICT""",
    """CREATE TABLE item_changes (
        seq INTEGER PRIMARY KEY, item_id TEXT NOT NULL, change TEXT NOT NULL, changed_at INTEGER NOT NULL, price_before REAL,
        price_after REAL
    ) STRICT""",
    "CREATE INDEX item_changes_by_time ON item_changes (changed_at)",
    """CREATE TABLE tombstones (
        seq INTEGER PRIMARY KEY, subject TEXT NOT NULL, since INTEGER, until INTEGER NOT NULL, received_at INTEGER NOT NULL
    ) STRICT""",
    """CREATE TABLE sends (
        seq INTEGER PRIMARY KEY, send_id TEXT NOT NULL UNIQUE, placement TEXT NOT NULL, max_items INTEGER NOT NULL,
        template TEXT, expires_at INTEGER NOT NULL, received_at INTEGER NOT NULL
    ) STRICT""",
    """CREATE TABLE pins (
        seq INTEGER PRIMARY KEY, send_id TEXT NOT NULL, user_id TEXT NOT NULL, slate BLOB NOT NULL, received_at INTEGER NOT NULL,
        UNIQUE (send_id, user_id)
    ) STRICT""",
    "CREATE INDEX pins_by_user ON pins (user_id, seq)",
    """CREATE TABLE replacements (
        seq INTEGER PRIMARY KEY, send_id TEXT NOT NULL, user_id TEXT NOT NULL, place INTEGER NOT NULL, item_out TEXT NOT NULL,
        item_in BLOB NOT NULL, received_at INTEGER NOT NULL, UNIQUE (send_id, user_id, place, item_out)
    ) STRICT""",
    """CREATE TABLE images_served (
        seq INTEGER PRIMARY KEY, send_id TEXT NOT NULL, user_id TEXT NOT NULL, place INTEGER NOT NULL, item_id TEXT NOT NULL,
        received_at INTEGER NOT NULL, UNIQUE (send_id, user_id, place, item_id)
    ) STRICT""",
    """CREATE TABLE moments (
        seq INTEGER PRIMARY KEY, moment_id TEXT NOT NULL UNIQUE, user_id TEXT NOT NULL, kind TEXT NOT NULL,
        found_at INTEGER NOT NULL, received_at INTEGER NOT NULL, line BLOB
    ) STRICT""",
    "CREATE INDEX moments_by_kind ON moments (kind, seq, found_at)",
    "CREATE INDEX moments_by_user ON moments (user_id, found_at, kind)",
)

_EXPERIMENTS = (
    """CREATE TABLE experiments (
        seq INTEGER PRIMARY KEY, name TEXT NOT NULL, experiment BLOB NOT NULL, received_at INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX experiments_by_name ON experiments (name, received_at)",
    """CREATE TABLE exposures (
        seq INTEGER PRIMARY KEY, experiment TEXT NOT NULL, unit TEXT NOT NULL, arm TEXT NOT NULL, exposed_at INTEGER NOT NULL,
        received_at INTEGER NOT NULL, UNIQUE (experiment, unit)
    ) STRICT""",
    "CREATE INDEX exposures_by_seq ON exposures (experiment, seq)",
    "CREATE INDEX exposures_by_unit ON exposures (unit, exposed_at)",
)

_CAMPAIGNS = (
    "ALTER TABLE sends ADD COLUMN filter BLOB",
    """CREATE TABLE campaigns (
        seq INTEGER PRIMARY KEY, campaign_id TEXT NOT NULL UNIQUE, campaign BLOB, received_at INTEGER NOT NULL
    ) STRICT""",
)

_JOINS = (
    """CREATE TABLE joins (
        seq INTEGER PRIMARY KEY, account_id TEXT NOT NULL UNIQUE, user_id TEXT, joined_at INTEGER NOT NULL,
        received_at INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX joins_by_user ON joins (user_id)",
)

_DISLIKES = (
    """CREATE TABLE dislikes (
        seq INTEGER PRIMARY KEY, user_id TEXT NOT NULL, hides TEXT NOT NULL, value TEXT NOT NULL, said_at INTEGER NOT NULL,
        until INTEGER NOT NULL, received_at INTEGER NOT NULL, UNIQUE (user_id, hides, value)
    ) STRICT""",
    "CREATE INDEX dislikes_by_end ON dislikes (until)",
)

_WHOLE_ITEMS = ("ALTER TABLE item_updates ADD COLUMN item BLOB",)

_EDITORS = ("ALTER TABLE campaigns ADD COLUMN put_by TEXT",)

LOG_FORMAT = Format(
    Step(3, _TABLES, bring_over),
    Step(4, _EXPERIMENTS, nothing_to_bring),
    Step(5, _CAMPAIGNS, nothing_to_bring),
    Step(6, _JOINS, nothing_to_bring),
    Step(7, _DISLIKES, nothing_to_bring),
    Step(8, _WHOLE_ITEMS, nothing_to_bring),
    Step(9, _EDITORS, nothing_to_bring),
)
