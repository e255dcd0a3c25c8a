"""A shop's tables as lazy frames, from files, cloud stores and databases, the same whatever their format (docs/data.md)."""

from recsys.tables.sources.bounds import FILE, MORE, ROW, WHOLE
from recsys.tables.sources.opening import open_table, unreadable
from recsys.tables.sources.source import Source

__all__ = ["FILE", "MORE", "ROW", "WHOLE", "Source", "open_table", "unreadable"]
