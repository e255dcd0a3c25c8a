"""Tokens of a send's slots for many users, for message tools that build slot addresses themselves (docs/messages.md)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import polars as pl

from recsys.clock import SECOND
from recsys.live.databases import open_log
from recsys.live.erasure import ErasureKeys
from recsys.messages.slots import SlotKeys
from recsys.settings import Settings
from recsys.types import DataError
from training import console
from training.batch.export import Source, chunks, published, read_users, users_asked, with_a_line, write_lines

SCHEMA = pl.Schema({"user_id": pl.String, "token": pl.String})


def tokens(
    settings: Settings,
    now: datetime,
    send_id: str,
    keys: SlotKeys,
    users: Path | None,
    out: Path,
    erasure_keys: ErasureKeys | None = None,
) -> int:
    """Write a line per user; nothing is pinned by that: the first fetch does, or the first to open the message."""
    artifacts = settings.artifacts
    source = Source(settings, artifacts, published(artifacts), True, erasure_keys)
    ids = None if users is None else read_users(users)
    with console.steps("Exporting") as watch:
        watch(f"tokens of {send_id}")
        asked, written = export_tokens(source, keys, send_id, now, ids, out)
    console.facts(f"Tokens in {out}", [("send", send_id), ("users", asked), ("lines", written)])
    return 0


def export_tokens(
    source: Source, keys: SlotKeys, send_id: str, now: datetime, users: list[str] | None, out: Path
) -> tuple[int, int]:
    """Write `user_id` and `token`; returns how many users were asked for and how many lines were written.

    Who is asked for, who gets no line and how the file appears is as in `training.batch.export.export`.

    Raises:
        DataError: for a send that is not declared or has expired, or an `out` that cannot be.
        SnapshotError: if the snapshot cannot be opened.
    """
    engine = source.engine()
    serving = source.serving(engine)
    by_events = source.settings.web.clock == "events"
    _check_send(source.settings, send_id, serving.newest if serving and by_events else int(now.timestamp() * SECOND))
    total, asked = users_asked(engine, users)

    def frames() -> Iterator[pl.DataFrame]:
        for chunk in chunks(asked):
            kept = with_a_line(source, serving, chunk)
            yield pl.DataFrame([kept, [keys.token(send_id, user) for user in kept]], schema=SCHEMA)

    return total, write_lines(out, SCHEMA, frames())


def _check_send(settings: Settings, send_id: str, now: int) -> None:
    send = open_log(settings).pins.send(send_id)
    if send is None or send.expires_at <= now:
        wrong = "is not declared" if send is None else "has expired"
        raise DataError(
            f"--tokens {send_id!r}: this send {wrong}, so its messages would show placeholders; declare one first"
        )
