"""Files of a shop in a folder, opened as one table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from recsys.settings.load import parse_settings
from recsys.tables.sources import FILE, MORE, ROW, Source, open_table

COLUMNS = "user_id,item_id,timestamp,event_type,price"
ROWS = [
    ("m1", "0071", "2026-06-01T10:00:00Z", "purchase", "5"),
    ("m2", "0071", "2026-06-01T11:00:00Z", "view", None),
    ("m1", "#12", "2026-06-02T10:00:00Z", "purchase", "7"),
]
"""Three events, and an id that must keep its zeros and one that looks like a comment."""
CSV = "\n".join([COLUMNS, *(",".join(cell or "" for cell in row) for row in ROWS)]) + "\n"


def open_files(folder: Path, paths: str | list[str], more: str = "", name: str = "events") -> tuple[Source, ...]:
    """Open files under a folder as one table, with more of its settings if any."""
    stated = [paths] if isinstance(paths, str) else paths
    settings = parse_settings(f"[data.{name}]\npaths = {stated!r}\n{more}", folder)
    return open_table(settings, name, getattr(settings.data, name))


def rows_of(sources: tuple[Source, ...]) -> list[tuple[Any, ...]]:
    """All rows, without what sources add."""
    frames = [source.frame.collect(engine="streaming").drop(ROW, FILE, MORE, strict=False) for source in sources]
    return [row for frame in frames for row in frame.rows()]


def written(folder: Path, name: str, content: bytes | str) -> str:
    """Write a file; gives its name."""
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return name


def columns_of(source: Source) -> pl.DataFrame:
    """A source's rows with what it adds."""
    return source.frame.collect(engine="streaming")
