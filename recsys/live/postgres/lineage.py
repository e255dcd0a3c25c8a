"""Lineage of a database: which cluster it is and on which timeline, another one after a failover and after a restore."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import errors

UNKNOWN = "unknown"
"""Where a server does not say, as rented ones may not. A sequence that goes back is noticed all the same."""
_ASKED = """SELECT concat(system_identifier, ' ', CASE WHEN NOT pg_is_in_recovery()
    THEN left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END) FROM pg_control_system()"""


def lineage_of(connection: psycopg.Connection[Any]) -> str:
    """Return the lineage of the database behind a connection in autocommit, or `UNKNOWN`."""
    try:
        [(lineage,)] = connection.execute(_ASKED).fetchall()
    except (errors.InsufficientPrivilege, errors.UndefinedFunction, errors.FeatureNotSupported):
        return UNKNOWN
    return str(lineage)
