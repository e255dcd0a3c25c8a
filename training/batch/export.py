"""Batch: recommendations for many users through the pipeline that serves, streamed into one file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.io.plugins import register_io_source

from recsys.disk import write_whole
from recsys.engine.merchandising.attribute_filters import typed_filter
from recsys.engine.pipeline import Engine, answer
from recsys.engine.serving_state import ServingState
from recsys.ids.event_ids import id_problem
from recsys.item_filters import Condition
from recsys.live.databases import open_log
from recsys.live.erasure import ErasureKeys, Tombstone
from recsys.reasons import reason_locale
from recsys.settings import Settings
from recsys.snapshot.store import current_version, open_snapshot
from recsys.types import DataError, Query, Slate, SnapshotError
from training.processes import map_in_order

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
_PLACE_SCHEMA = pl.Schema(
    {
        "item_id": pl.String,
        "title": pl.String,
        "price": pl.Float64,
        "currency": pl.String,
        "url": pl.String,
        "image_url": pl.String,
        "reason": pl.String,
    }
)
"""What a flat line says of each item: columns item_1_id, item_1_title and so on."""
FORMATS = ("parquet", "csv", "ndjson")
Shape = Literal["long", "flat"]
"""A line per recommended item, or one per user with the items beside one another, as message tools import them."""
_CHUNK = 2_000
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Answers:
    """Slates of one chunk of users, without the forgotten: how many items each has, and the items' columns end to end."""

    users: list[str]
    lengths: NDArray[np.int32]
    items: NDArray[np.int32]
    scores: NDArray[np.float32]
    reasons: list[str]
    codes: list[str]
    strategies: list[str]


@dataclass(frozen=True)
class Source:
    """Source of answers: a published version and, with `live`, what the log says beyond it."""

    settings: Settings
    artifacts: Path
    version: str
    live: bool = False
    erasure_keys: ErasureKeys | None = None

    def engine(self) -> Engine:
        """Open the version."""
        return Engine(open_snapshot(self.artifacts, self.version), self.settings)

    def serving(self, engine: Engine) -> ServingState | None:
        """Lay the log over it; None: it is answered as it was published."""
        if not self.live:
            return None
        state = open_log(self.settings)
        serving = ServingState(engine, state, self.erasure_keys)
        serving.catch_up()
        return serving

    def look_who_is_forgotten(self, serving: ServingState) -> None:
        """Have a serving state know who was forgotten since it read the log; items and prices stay as they were then."""
        with closing(open_log(self.settings)) as log:
            news = log.news(serving.read_to).shared
        serving.forgotten.add(each.row for each in news if isinstance(each.row, Tombstone))


def published(artifacts: Path) -> str:
    """The current version.

    Raises:
        SnapshotError: if there is none.
    """
    version = current_version(artifacts)
    if version is None:
        raise SnapshotError(f"no snapshot is published in {artifacts}; run `make train` first")
    return version


def export(
    source: Source,
    query: Query,
    users: Sequence[str] | None,
    out: Path,
    progress: Progress,
    shape: Shape = "long",
    conditions: Mapping[str, Condition] | None = None,
) -> tuple[int, int]:
    """Write what is recommended; returns how many users were asked for and how many lines were written.

    `query` holds for every user (its user_id is replaced), inside the `conditions`; `users` None means all of the snapshot. Who is
    forgotten, or nobody, gets no line. The file's ending chooses the format. It appears under its name only when it is complete.

    Raises:
        DataError: for an ending that is not one of `FORMATS`, or a list of users that cannot be used.
        SnapshotError: if the snapshot cannot be opened.
        SettingsError: if a condition names what items do not have.
    """
    engine = source.engine()
    engine.placement(query.placement)
    query = msgspec.structs.replace(query, filter=typed_filter(engine.catalog, conditions or {}))
    source.serving(engine)  # lays item updates over the catalogue
    total, asked = users_asked(engine, users)

    def frames() -> Iterator[pl.DataFrame]:
        done = 0
        for count, answers in _answered(source, query, asked):
            done += count
            progress(done, total)
            yield _frame(answers, engine) if shape == "long" else _flat_frame(answers, engine, query.limit)

    return total, write_lines(out, SCHEMA if shape == "long" else flat_schema(query.limit), frames())


def flat_schema(limit: int) -> pl.Schema:
    """The columns of a flat file with so many items a user."""
    columns = {_column(place, name): kind for place in range(limit) for name, kind in _PLACE_SCHEMA.items()}
    return pl.Schema({"user_id": pl.String(), **columns})


def _column(place: int, name: str) -> str:
    return f"item_{place + 1}_{name.removeprefix('item_')}"


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


def users_asked(engine: Engine, users: Sequence[str] | None) -> tuple[int, Iterator[str]]:
    """Return how many users are asked for, and who."""
    if users is not None:
        return len(users), iter(users)
    known = engine.snapshot.histories.users
    return len(known), (known.text(row) for row in range(len(known)))


def write_lines(out: Path, schema: pl.Schema, frames: Iterator[pl.DataFrame]) -> int:
    """Stream frames into a file that appears when it is complete and on the disk; returns the number of lines.

    Raises:
        DataError: if its ending is not one of `FORMATS`, or its folder cannot be made.
    """
    ending = out.suffix.removeprefix(".")
    if ending not in FORMATS:
        raise DataError(f"--out {out}: the ending must be one of {', '.join('.' + name for name in FORMATS)}")
    written = 0

    def read(columns: list[str] | None, predicate: object, rows: int | None, batch: int | None) -> Iterator[pl.DataFrame]:
        nonlocal written
        for frame in frames:
            written += frame.height
            yield frame.select(columns) if columns else frame

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"--out {out}: its folder cannot be made ({error.strerror})") from error
    with write_whole(out) as aside:
        getattr(register_io_source(read, schema=schema, validate_schema=False), f"sink_{ending}")(aside)
    return written


def _answered(source: Source, query: Query, users: Iterable[str]) -> Iterator[tuple[int, Answers]]:
    """Answer chunk after chunk on all cores, in order, never more than a few chunks ahead, each with its number of users."""
    for chunk, answers in map_in_order(partial(_answer_chunk, query), chunks(users), _open, source):
        yield len(chunk), answers


def chunks(users: Iterable[str]) -> Iterator[list[str]]:
    """Users in lists of 2,000."""
    left = iter(users)
    while chunk := list(islice(left, _CHUNK)):
        yield chunk


_opened: list[tuple[Source, Engine, ServingState | None]] = []


def _open(source: Source) -> None:
    engine = source.engine()
    _opened[:] = [(source, engine, source.serving(engine))]


def _answer_chunk(query: Query, users: list[str]) -> Answers:
    source, engine, serving = _opened[0]
    kept = with_a_line(source, serving, users)
    slates = [_answer(engine, serving, msgspec.structs.replace(query, user_id=user), user) for user in kept]
    return Answers(
        users=kept,
        lengths=np.array([len(slate.items) for slate in slates], np.int32),
        items=np.array([item for slate in slates for item in slate.items], np.int32),
        scores=np.array([score for slate in slates for score in slate.scores], np.float32),
        reasons=[reason.text for slate in slates for reason in slate.reasons],
        codes=[reason.code for slate in slates for reason in slate.reasons],
        strategies=[slate.strategy for slate in slates],
    )


def _answer(engine: Engine, serving: ServingState | None, query: Query, user: str) -> Slate:
    if serving is None:
        locale = reason_locale(engine.snapshot.people.locale_of(user), engine.settings.messages.locale)
        return answer(engine, msgspec.structs.replace(query, locale=locale), engine.snapshot.histories.of(user))
    return serving.answer_message(query).slate


def with_a_line(source: Source, serving: ServingState | None, users: Iterable[str]) -> list[str]:
    """Those who are answered for: neither nobody, nor forgotten up to now without having done anything since."""
    null_users = source.settings.data.nobody
    somebody = [user for user in users if user not in null_users]
    if serving is None:
        return somebody
    source.look_who_is_forgotten(serving)
    return [user for user in somebody if not _is_forgotten(serving, user)]


def _is_forgotten(serving: ServingState, user: str) -> bool:
    return serving.forgotten.at(user) is not None and not len(serving.history(user))


def _frame(answers: Answers, engine: Engine) -> pl.DataFrame:
    starts = np.cumsum(answers.lengths) - answers.lengths
    owner = np.repeat(np.arange(len(answers.users)), answers.lengths)
    rows, inverse = np.unique(answers.items, return_inverse=True)
    ids = pl.Series([engine.catalog.item_id(row) for row in rows.tolist()], dtype=pl.String)
    return pl.DataFrame(
        {
            "user_id": pl.Series(answers.users, dtype=pl.String).gather(owner),
            "rank": (np.arange(len(owner)) - starts[owner] + 1).astype(np.int32),
            "item_id": ids.gather(inverse),
            "score": answers.scores,
            "reason": pl.Series(answers.reasons, dtype=pl.String),
            "strategy": pl.Series(answers.strategies, dtype=pl.String).gather(owner),
            "reason_code": pl.Series(answers.codes, dtype=pl.String),
        },
        schema=SCHEMA,
    )


def _flat_frame(answers: Answers, engine: Engine, limit: int) -> pl.DataFrame:
    rows, inverse = np.unique(answers.items, return_inverse=True)
    items = pl.DataFrame([{**engine.catalog.item(row), "reason": None} for row in rows.tolist()], schema=_PLACE_SCHEMA)
    places = items[inverse].with_columns(pl.Series("reason", answers.reasons, dtype=pl.String))
    starts = np.cumsum(answers.lengths) - answers.lengths
    columns = [pl.Series("user_id", answers.users, dtype=pl.String)]
    for place in range(limit):
        at = pl.Series(starts + place, dtype=pl.Int64).set(pl.Series(answers.lengths <= place), None)
        columns += [column.rename(_column(place, column.name)) for column in places.select(pl.all().gather(at))]
    return pl.DataFrame(columns)
