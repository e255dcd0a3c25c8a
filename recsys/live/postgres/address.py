"""Address of a database: where it is, the schema of the shop, and how long each wait may take."""

from __future__ import annotations

from typing import NamedTuple

from psycopg.conninfo import conninfo_to_dict, make_conninfo

CONNECT_SECONDS = 2
"""Longest wait for a connection, to each host that the address names."""
_STALLED_MILLISECONDS = 5_000
"""After so long without a word from the other machine a connection is given up."""


class Address(NamedTuple):
    """A database with the schema in it; `url` may hold a password, which `name` never shows."""

    url: str
    schema: str = "recsys"
    connections: int = 10
    """Most connections of one process."""
    seconds: float = 5.0
    """Longest time of one statement, with its wait for other writers."""

    @property
    def name(self) -> str:
        """Return where it is, for people."""
        parts = conninfo_to_dict(self.url)
        return (
            f"postgresql://{parts.get('host') or ''}/{parts.get('dbname') or parts.get('user') or ''} (schema {self.schema})"
        )

    def conninfo(self, synchronous: bool = True) -> str:
        """Return how libpq is told: `synchronous`, every commit has reached the disk when it returns."""
        options = {
            "search_path": self.schema,
            "statement_timeout": f"{self.seconds * 1000:.0f}",
            "idle_in_transaction_session_timeout": f"{2 * self.seconds * 1000:.0f}",
            "synchronous_commit": "on" if synchronous else "off",
        }
        parts = {
            "target_session_attrs": "read-write",
            "application_name": "recsys",
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": _STALLED_MILLISECONDS,
            **conninfo_to_dict(self.url),
            "connect_timeout": CONNECT_SECONDS,
            "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
        }
        return make_conninfo("", **parts)
