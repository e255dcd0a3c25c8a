"""Batch: recommendations for many users through the pipeline that serves, streamed into one file."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.io.plugins import register_io_source

from recsys.data.event_ids import id_problem
from recsys.data.forgetting import Oblivion
from recsys.data.snapshot import open_snapshot
from recsys.data.state import State
from recsys.pipeline import Engine, answer
from recsys.present import Present
from recsys.settings import Settings
from recsys.types import DataError, Query, Slate

SCHEMA = pl.Schema(
    {
        "user_id": pl.String,
        "rank": pl.Int32,
        "item_id": pl.String,
        "score": pl.Float32,
        "reason": pl.String,
        "strategy": pl.String,
        "reason_code": pl.String,
    }
)
FORMATS = ("parquet", "csv", "ndjson")
_CHUNK = 2_000
_AHEAD = 4
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Answers:
    """Slates of one chunk of users: how many items each has, and the items' columns end to end."""

    lengths: NDArray[np.int32]
    items: NDArray[np.int32]
    scores: NDArray[np.float32]
    reasons: list[str]
    codes: list[str]
    strategies: list[str]


@dataclass(frozen=True)
class Source:
    """What is answered from: a published version and, with `live`, what the log says beyond it."""

    settings: Settings
    artifacts: Path
    version: str
    live: bool = False
    oblivion: Oblivion | None = None

    def engine(self) -> Engine:
        """Open the version."""
        return Engine(open_snapshot(self.artifacts, self.version), self.settings)

    def present(self, engine: Engine) -> Present | None:
        """Lay the log over it; None: it is answered as it was published."""
        if not self.live:
            return None
        state = State(self.settings.path(self.settings.state.folder))
        present = Present(engine, state, self.oblivion)
        present.catch_up()
        return present


def export(source: Source, query: Query, users: Sequence[str] | None, out: Path, progress: Progress) -> tuple[int, int]:
    """Write one line per recommended item; returns how many users were asked for and how many lines were written.

    `query` holds for every user (its user_id is replaced); `users` None means all of the snapshot. Who is forgotten gets no line. The
    file's ending chooses the format. It appears under its name only when it is complete.

    Raises:
        DataError: for an ending that is not one of `FORMATS`, or a list of users that cannot be used.
        SnapshotError: if the snapshot cannot be opened.
    """
    ending = out.suffix.removeprefix(".")
    if ending not in FORMATS:
        raise DataError(f"--out {out}: the ending must be one of {', '.join('.' + name for name in FORMATS)}")
    engine = source.engine()
    engine.placement(query.placement)
    known = engine.snapshot.histories.users
    total = len(known) if users is None else len(users)
    asked = (known.text(row) for row in range(total)) if users is None else iter(users)
    written = 0

    def frames(columns: list[str] | None, predicate: object, rows: int | None, batch: int | None) -> Iterator[pl.DataFrame]:
        nonlocal written
        done = 0
        for chunk, answers in _answered(source, query, asked):
            frame = _frame(chunk, answers, engine)
            written += frame.height
            done += len(chunk)
            progress(done, total)
            yield frame.select(columns) if columns else frame

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"--out {out}: its folder cannot be made ({error.strerror})") from error
    aside = out.with_name(f".{out.name}-{os.getpid()}")
    try:
        lines = register_io_source(frames, schema=SCHEMA, validate_schema=False)
        getattr(lines, f"sink_{ending}")(aside)
        os.replace(aside, out)
    finally:
        aside.unlink(missing_ok=True)
    return total, written


def read_users(file: Path) -> list[str]:
    """Read user ids: a Parquet or CSV file with a `user_id` column, or a text file with one id a line.

    Raises:
        DataError: if the file cannot be read or has no such column, or an id is too long.
    """
    try:
        if file.suffix == ".parquet":
            ids = pl.read_parquet(file, columns=["user_id"])["user_id"].cast(pl.String).to_list()
        elif file.suffix == ".csv":
            ids = pl.read_csv(file, columns=["user_id"], infer_schema=False)["user_id"].to_list()
        else:
            ids = [line for line in file.read_text().splitlines() if line]
    except (OSError, UnicodeError, pl.exceptions.PolarsError) as error:
        raise DataError(f"--users {file}: cannot be read as a list of user ids ({error})") from error
    for text in ids:
        if problem := id_problem(text or ""):
            raise DataError(f"--users {file}: the user id {text!r} {problem}")
    return list(dict.fromkeys(ids))


def _answered(source: Source, query: Query, users: Iterable[str]) -> Iterator[tuple[list[str], Answers]]:
    """Answer chunk after chunk on all cores, in order, never more than a few chunks ahead."""
    context = multiprocessing.get_context("spawn")
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores, context, initializer=_open, initargs=(source,)) as pool:
        submitted = ((chunk, pool.submit(_answer_chunk, query, chunk)) for chunk in _chunks(users))
        waiting = deque(islice(submitted, cores * _AHEAD))
        while waiting:
            chunk, future = waiting.popleft()
            yield chunk, future.result()
            waiting.extend(islice(submitted, 1))


def _chunks(users: Iterable[str]) -> Iterator[list[str]]:
    left = iter(users)
    while chunk := list(islice(left, _CHUNK)):
        yield chunk


_opened: list[tuple[Engine, Present | None]] = []


def _open(source: Source) -> None:
    engine = source.engine()
    _opened[:] = [(engine, source.present(engine))]


def _answer_chunk(query: Query, users: list[str]) -> Answers:
    found = [_answer(msgspec.structs.replace(query, user_id=user), user) for user in users]
    slates = [slate for slate in found if slate is not None]
    return Answers(
        lengths=np.array([len(slate.items) if slate else 0 for slate in found], np.int32),
        items=np.array([item for slate in slates for item in slate.items], np.int32),
        scores=np.array([score for slate in slates for score in slate.scores], np.float32),
        reasons=[reason.text for slate in slates for reason in slate.reasons],
        codes=[reason.code for slate in slates for reason in slate.reasons],
        strategies=[slate.strategy if slate else "" for slate in found],
    )


def _answer(query: Query, user: str) -> Slate | None:
    engine, present = _opened[0]
    if present is None:
        return answer(engine, query, engine.snapshot.histories.of(user))
    history = present.history(user)
    if not len(history) and present.forgotten.at(user) is not None:
        return None
    return answer(engine, query, history)


def _frame(users: list[str], answers: Answers, engine: Engine) -> pl.DataFrame:
    starts = np.cumsum(answers.lengths) - answers.lengths
    owner = np.repeat(np.arange(len(users)), answers.lengths)
    rows, inverse = np.unique(answers.items, return_inverse=True)
    ids = pl.Series([engine.catalog.item_id(row) for row in rows.tolist()], dtype=pl.String)
    return pl.DataFrame(
        {
            "user_id": pl.Series(users, dtype=pl.String).gather(owner),
            "rank": (np.arange(len(owner)) - starts[owner] + 1).astype(np.int32),
            "item_id": ids.gather(inverse),
            "score": answers.scores,
            "reason": pl.Series(answers.reasons, dtype=pl.String),
            "strategy": pl.Series(answers.strategies, dtype=pl.String).gather(owner),
            "reason_code": pl.Series(answers.codes, dtype=pl.String),
        },
        schema=SCHEMA,
    )
