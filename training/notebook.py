"""A shop in a notebook: tables in, DataFrames out, through the job that trains and the pipeline that serves (docs/notebook.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import polars as pl
import tomli_w

from recsys.engine.pipeline import Engine, answer
from recsys.settings import Settings
from recsys.settings.load import load_settings, parse_settings
from recsys.snapshot.store import open_snapshot
from recsys.tables.schema import TABLES
from recsys.tables.shop import read_shop
from recsys.tables.validation import findings_table
from recsys.types import DataError, Query
from training.cli.evaluation_commands import last_event
from training.cli.init import init
from training.evaluation.evaluate import evaluate, examine
from training.evaluation.metrics import METRICS
from training.evaluation.split import Fold, split
from training.gate.gate import gate_of
from training.job.job import train

Source = str | Path | Mapping[str, pl.DataFrame]
_LISTS = pl.Schema(
    {
        "rank": pl.Int32,
        "item_id": pl.String,
        "title": pl.String,
        "brand": pl.String,
        "category": pl.String,
        "price": pl.Float64,
        "score": pl.Float64,
        "reason": pl.String,
        "source": pl.String,
    }
)

_FINDINGS = pl.Schema(
    dict.fromkeys(("table", "file", "column", "rule", "rows", "share", "example", "done", "advice"), pl.String)
)


def open(source: Source, *, artifacts: str | Path = "artifacts", now: datetime | None = None) -> Shop:
    """Read a shop, train on it and give what answers for it.

    Args:
        source: a settings file; or a folder, whose `settings.toml` is read, and written first from its files if there is none; or
            DataFrames by the name of their table (`events`, `items`, `users`, `identities`, `contents`), with canonical columns.
        artifacts: folder for the snapshot, and for tables that are given as DataFrames; relative to the working directory.
        now: the moment that training counts from (default: the present one).

    Returns:
        The trained shop.

    Raises:
        DataError: if nothing is recognised, or a table cannot be read or is too wrong.
        SettingsError: if a setting is wrong.
        GateError: if what was learned is refused.
    """
    moment, folder = now or datetime.now(UTC), Path(artifacts).resolve()
    settings = _settings_of(source, folder, moment)
    settings = msgspec.structs.replace(settings, snapshot=msgspec.structs.replace(settings.snapshot, artifacts=str(folder)))
    fitted = train(settings, now=moment, gate=gate_of(settings, moment))
    engine = Engine(open_snapshot(folder, fitted.manifest.version), settings)
    asked = fitted.manifest.as_of if settings.web.clock == "events" else int(moment.timestamp() * 1_000_000)
    return Shop(settings, engine, moment, asked)


class Shop:
    """A trained shop: lists as DataFrames with titles beside ids, and what they are worth.

    settings: those it was trained with · engine: what answers, as in the service.
    """

    def __init__(self, settings: Settings, engine: Engine, now: datetime, asked_at: int) -> None:
        self.settings = settings
        self.engine = engine
        self._now = now
        self._asked_at = asked_at

    def recommend(
        self,
        user_id: str | None = None,
        *,
        placement: str = "home",
        limit: int | None = None,
        category: str | None = None,
        context_items: Sequence[str] = (),
    ) -> pl.DataFrame:
        """Return what one shopper is shown, best first, at the moment of training; without an id, somebody unknown.

        Args:
            user_id: the shopper.
            placement: a placement of the settings.
            limit: items at most (default: the placement's).
            category: only this category and those below, levels joined by ` > `.
            context_items: items of the page or cart.

        Returns:
            A row for each item: rank from 1, item_id, title, brand, category, price, score, reason and the recommender it comes from.

        Raises:
            DataError: if there is no such placement or category, or the limit is below 1.
        """
        chosen = self.settings.placement(placement)
        if chosen is None:
            raise DataError(f"placement {placement!r}: there are {', '.join(self.settings.placement_names())}")
        if limit is not None and limit < 1:
            raise DataError(f"limit {limit}: at least 1")
        if category is not None and not self.engine.catalog.items_in(category).size:
            raise DataError(f"category {category!r}: no item is in it; levels are joined by ` > `")
        query = Query(
            now=self._asked_at,
            placement=placement,
            user_id=user_id,
            limit=limit or chosen.limit,
            category=category,
            context_items=tuple(context_items),
        )
        slate = answer(self.engine, query, self.engine.snapshot.histories.of(user_id or ""))
        items = [self.engine.catalog.item(row) for row in slate.items]
        columns = {name: [item.get(name) for item in items] for name in ("item_id", "title", "brand", "category", "price")}
        reasons, scores, sources = [each.text for each in slate.reasons], list(slate.scores), list(slate.sources)
        table = {"rank": list(range(1, len(items) + 1)), **columns, "score": scores, "reason": reasons, "source": sources}
        return pl.DataFrame(table, schema=_LISTS)

    def similar(self, item_id: str, *, limit: int | None = None) -> pl.DataFrame:
        """Items liked by the same shoppers, as `recommend` gives them.

        Raises:
            DataError: if the catalogue has no such item.
        """
        if self.engine.catalog.row(item_id) < 0:
            raise DataError(f"item_id {item_id!r}: the catalogue has no such item")
        return self.recommend(placement="similar", limit=limit, context_items=[item_id])

    def evaluate(self, days: int | None = None) -> pl.DataFrame:
        """Return what the recommenders, the blend and the placements would have been worth in the last days: a row for each task and
        subject.

        Means over shoppers, with the 95 % interval of the first metric; docs/evaluation.md says what they measure.

        Raises:
            DataError: if there are no events.
        """
        length = days or self.settings.evaluation.days
        fold = Fold(last_event(self.settings, self._now) - timedelta(days=length), length)
        examination = examine(split(self.settings, fold, self._now), self.settings.evaluation, self.settings.seed)
        evaluation, _ = evaluate(self.settings, examination, self._now)
        rows = []
        for row in evaluation.rows:
            first = row.metrics[METRICS[0]]
            metrics = {name: row.metrics[name].mean for name in METRICS}
            interval = {f"{METRICS[0]}_low": first.low, f"{METRICS[0]}_high": first.high}
            rows.append({
                "task": row.task, "kind": row.subject.kind, "subject": row.subject.name, "users": row.users, **metrics, **interval,
                "coverage": row.coverage,
            })  # fmt: skip
        return pl.DataFrame(rows, infer_schema_length=None)

    def findings(self) -> pl.DataFrame:
        """Return what validation says of the shop's tables, the worst first."""
        return pl.DataFrame(findings_table(read_shop(self.settings, strict=False).findings), schema=_FINDINGS)


def _settings_of(source: Source, artifacts: Path, now: datetime) -> Settings:
    if isinstance(source, Mapping):
        return _of_frames(source, artifacts / "tables")
    if not isinstance(source, (str, Path)):
        raise DataError(
            f"{type(source).__name__} cannot be opened: give a settings file, a folder, or DataFrames by the name of their table"
        )
    path = Path(source)
    if not path.is_dir():
        return load_settings(path)
    file = path / "settings.toml"
    if not file.exists() and init([str(path)], file, now, yes=True):
        raise DataError(f"{file} was written, but the tables are too wrong to train on; mend it, or correct them")
    return load_settings(file)


def _of_frames(frames: Mapping[str, pl.DataFrame], folder: Path) -> Settings:
    """Settings for tables given as DataFrames, which are written down as Parquet; "now" is the last event."""
    for name in frames:
        if name not in TABLES:
            raise DataError(f"{name!r} is no table; allowed: {', '.join(TABLES)}")
    if "events" not in frames:
        raise DataError(f"the table events is needed; there are {', '.join(frames) or 'no DataFrames'}")
    for name, frame in frames.items():
        if not isinstance(frame, pl.DataFrame):
            raise DataError(
                f"{name} is a {type(frame).__name__}, and no Polars DataFrame: make one with polars.from_pandas or collect()"
            )
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        frame.write_parquet(folder / f"{name}.parquet")
    data = {name: {"paths": [f"{name}.parquet"]} for name in frames}
    return parse_settings(tomli_w.dumps({"data": data, "web": {"clock": "events"}}), folder)
