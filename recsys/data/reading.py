"""One table of the shop: opened, mapped, and every row judged once, so that valid rows can be read lazily ever after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl
from polars.exceptions import PolarsError

from recsys.data.columns import Column, mappable
from recsys.data.event_ids import EVENT_ID_LENGTH, ID_FIELD_SEPARATOR
from recsys.data.mapping import Mapped, map_source
from recsys.data.presets import Preset, merged
from recsys.data.sources import FILE, MORE, ROW, Source, open_table, unreadable
from recsys.data.validation import BROKE, KEY, Check, Finding, checks_of, example_of, findings_of, judge
from recsys.settings import Settings, Table
from recsys.types import EVENT_TYPES, DataError, SettingsError

MAX_REJECTS = 100_000


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows of one table: read = kept + left_out (by the settings) + rejected (bad) + duplicates."""

    read: int = 0
    left_out: int = 0
    rejected: int = 0
    duplicates: int = 0

    @property
    def kept(self) -> int:
        """Rows that stay."""
        return self.read - self.left_out - self.rejected - self.duplicates

    @property
    def rejected_share(self) -> float:
        """Bad rows among those that the settings do not leave out, 0…1."""
        return self.rejected / max(1, self.read - self.left_out)


@dataclass(frozen=True, slots=True)
class Read:
    """A judged table: its valid rows, lazily, with `ROW`; bad ones as the shop wrote them, with the rule that each broke."""

    frame: pl.LazyFrame
    present: frozenset[str]
    findings: tuple[Finding, ...]
    counts: Counts
    rejects: pl.DataFrame
    files: tuple[str, ...]


def read_table(settings: Settings, name: str, table: Table, before: datetime | None = None) -> Read:
    """Open, map and judge one table; events lose their duplicates, other tables keep several rows per id.

    Raises:
        DataError: if a file or a required column is missing, or a file cannot be read to its end.
        SettingsError: if the table's settings name what there is not.
    """
    columns, preset = mappable(name), merged(table)
    _check_names(name, table, preset, columns)
    sources = open_table(settings, name, table)
    _check_columns(name, table, preset, columns, sources)
    mapped = [map_source(source, table, preset, columns, before) for source in sources]
    canonical = [column for column in columns if column.name != "amount"]
    try:
        return _judged(name, mapped, canonical, set(table.constants))
    except PolarsError as error:
        raise unreadable(name, [file for source in sources for file in source.files], error) from error


def _judged(name: str, mapped: Sequence[Mapped], columns: Sequence[Column], constants: set[str]) -> Read:
    key = _event_key() if name == "events" else None
    parts, findings, rejects = [], list[Finding](), list[pl.DataFrame]()
    for each in mapped:
        hard, soft = checks_of(columns, [c.name for c in columns if each.origins[c.name]])
        judged = judge(each, hard, soft, key).collect(engine="streaming")
        findings += findings_of(name, each, judged, hard, soft)
        rejects.append(_rejects(each, judged, hard))
        parts.append(judged.select(ROW, BROKE, *([KEY] if key is not None else [])))
    judged = pl.concat(parts)
    double = _duplicates(judged) if key is not None else judged.head(0).select(ROW)
    bad = pl.concat([judged.filter(pl.col(BROKE) > 0).select(ROW), double])
    read = sum(each.source.height() for each in mapped)
    counts = Counts(read, read - judged.height, bad.height - double.height, double.height)
    findings = _merged(findings, judged.height)
    if double.height:
        findings.append(_doubles_finding(name, mapped, double, judged.height))
    names = [column.name for column in columns]
    frame = pl.concat([each.frame.select(ROW, *names) for each in mapped])
    if bad.height:
        frame = frame.join(bad.lazy(), on=ROW, how="anti", maintain_order="left")
    present = frozenset(n for n in names if n in constants or any(each.origins[n] for each in mapped))
    files = tuple(str(file) for each in mapped for file in each.source.files)
    return Read(frame, present, tuple(findings), counts, pl.concat(rejects, how="diagonal_relaxed"), files)


def event_id() -> pl.Expr:
    """The event's own id, else the one derived from its fields (`event_ids.event_id_of`), before ids are resolved."""
    fields = pl.struct("event_id", "user_id", "event_type", "item_id", "timestamp", "order_id")
    return fields.map_batches(_with_derived_ids, return_dtype=pl.String(), is_elementwise=True).alias("event_id")


def _with_derived_ids(fields: pl.Series) -> pl.Series:
    frame = fields.struct.unnest()
    if not frame["event_id"].null_count():
        return frame["event_id"]
    import polars_hash as plh

    parts = [
        pl.col("user_id"),
        pl.col("event_type").cast(pl.String),
        pl.col("item_id"),
        pl.col("timestamp").dt.epoch("us").cast(pl.String),
        pl.col("order_id"),
    ]
    text = pl.concat_str([part.fill_null("") for part in parts], separator=ID_FIELD_SEPARATOR)
    lacking = frame.select(pl.when(pl.col("event_id").is_null()).then(text).alias("text"))
    derived = lacking.select(plh.col("text").chash.sha2_256().str.slice(0, EVENT_ID_LENGTH)).to_series()
    return frame["event_id"].fill_null(derived)


def _event_key() -> pl.Expr:
    return event_id().hash().alias(KEY)


def _duplicates(judged: pl.DataFrame) -> pl.DataFrame:
    good = judged.filter(pl.col(BROKE) == 0)
    return good.filter(~good[KEY].is_first_distinct()).select(ROW)


def _doubles_finding(name: str, mapped: Sequence[Mapped], double: pl.DataFrame, rows: int) -> Finding:
    first = int(double[ROW][0])
    owner = max((each for each in mapped if _first_row(each) <= first), key=_first_row)
    own = owner.origins["event_id"]
    names = own or tuple(n for c in ("user_id", "event_type", "item_id", "timestamp", "order_id") for n in owner.origins[c][:1])
    file, example = example_of(owner, first, names)
    advice = "nothing, if the export repeats rows; else give each event its own event_id"
    rule = "event_id is unique" if own else "user, event type, item, time and order are unique together"
    return Finding(name, file, " + ".join(names), rule, double.height, double.height / rows, example, advice, "left_out")


def _first_row(mapped: Mapped) -> int:
    return mapped.source.first_row


def _rejects(mapped: Mapped, judged: pl.DataFrame, hard: Sequence[Check]) -> pl.DataFrame:
    rules = pl.DataFrame({BROKE: range(1, len(hard) + 1), "broke": [f"{c.column}: {c.rule}" for c in hard]})
    bad = judged.filter(pl.col(BROKE) > 0).head(MAX_REJECTS).join(rules.cast({BROKE: pl.UInt8}), on=BROKE).select(ROW, "broke")
    rows = mapped.source.frame.drop(FILE)
    rows = rows.drop(MORE, strict=False) if bad.height else rows.head(0)
    return rows.join(bad.lazy(), on=ROW, maintain_order="left").drop(ROW).collect(engine="streaming")


def _merged(findings: Sequence[Finding], rows: int) -> list[Finding]:
    """Join what several sources of one table say about the same column and rule."""
    together: dict[tuple[str, str], Finding] = {}
    for each in findings:
        same = together.get((each.column, each.rule))
        count = each.rows + (same.rows if same else 0)
        together[each.column, each.rule] = replace(same or each, rows=count, share=count / max(1, rows))
    return list(together.values())


def _check_names(name: str, table: Table, preset: Preset, columns: Sequence[Column]) -> None:
    allowed = {column.name for column in columns}
    for key, given in (("columns", table.columns), ("constants", table.constants)):
        for wrong in sorted(set(given) - allowed):
            raise SettingsError(f"data.{name}.{key}: {wrong!r} is no canonical column; allowed: {', '.join(sorted(allowed))}")
    targets = {**{f"event_types.{word}": kind for word, kind in preset.event_types.items() if kind}}
    targets |= {f"type_rules.{at}": rule.event_type for at, rule in enumerate(table.type_rules) if rule.event_type}
    for key, kind in targets.items():
        if kind not in EVENT_TYPES:
            raise SettingsError(f"data.{name}.{key}: {kind!r} is no event type; allowed: {', '.join(EVENT_TYPES)}, or empty")


def _check_columns(
    name: str, table: Table, preset: Preset, columns: Sequence[Column], sources: Sequence[Source]
) -> None:
    problems = [_without(name, column, table, preset, source) for column in columns for source in sources if column.required]
    named = {c: names for c, names in table.columns.items() if c in {column.name for column in columns}}
    wanted = [(c, n) for c, names in named.items() for n in ((names,) if isinstance(names, str) else names)]
    wanted += [("where", rule.column) for rule in table.where] + [("type_rules", rule.column) for rule in table.type_rules]
    anywhere = {column for source in sources for column in source.schema}
    problems += [_absent(name, n, key, sources[0]) for key, n in wanted if n not in anywhere]
    found = list(dict.fromkeys(problem for problem in problems if problem))
    if found:
        raise DataError("\n".join(found))


def _without(name: str, column: Column, table: Table, preset: Preset, source: Source) -> str:
    names = preset.columns.get(column.name, (column.name,))
    if column.name == "user_id" and name == "events":
        names = (*names, *preset.columns.get("anonymous_id", ("anonymous_id",)))
    if column.name in table.constants or any(n in source.schema for n in names):
        return ""
    if column.name == "event_type" and table.type_rules:
        return ""
    return _absent(name, names[0], column.name, source, f"; required: name the column that holds it in `data.{name}.columns`")


def _absent(name: str, wanted: str, key: str, source: Source, advice: str = "") -> str:
    has = ", ".join(source.schema)
    use = f" (for {key})" if key != wanted else ""
    return f"{name}: {source.files[0]} has no column {wanted!r}{use}{advice}; it has {has}"
