"""A shop's tables as the canonical ones: found, mapped, checked row by row, and joined up; nothing is changed in them.

`read_shop` looks at every row once to find the bad and the double ones, and hands the events out lazily without those.
Bad rows are written to the folder of the setting `data.rejects`, so that the shop can look at them; nothing else is.
What was written down while serving is folded in, and the forgotten are left out, as if they had never been there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import polars as pl

from recsys.disk import write_whole
from recsys.live.erasure import ErasureKeys, Tombstones
from recsys.settings import Settings
from recsys.tables import identities
from recsys.tables.duplicates import event_id
from recsys.tables.erased_rows import ErasedRows
from recsys.tables.examples import shown
from recsys.tables.ids import would_match
from recsys.tables.items import catalogue_currency, finish_items, items_from_events, newer, overlaid
from recsys.tables.limits import stop_if_unreadable
from recsys.tables.live_rows import Folded, LiveRows, fold_in, merged, read_live
from recsys.tables.notation import Guess
from recsys.tables.reader import Counts, Erased, MappedTable, Read, map_table, read_table
from recsys.tables.schema import TABLES, schema
from recsys.tables.sources import ROW
from recsys.tables.validation import DONE, Finding, explain, percent
from recsys.types import DataError

FORGOTTEN = "forgotten"
"""Of a rejects file, the metadata that names who was forgotten when it was written (`Tombstones.fingerprint`)."""


@dataclass(frozen=True, slots=True)
class ShopTables:
    """What the offline job reads: valid rows with all canonical columns (docs/data.md), null where the shop has none.

    events: lazy, one row per event_id, anonymous ids resolved, money in `currency` · items: one row per item_id, sorted ·
    users: one per user_id · contents: one per content_id · counts: rows read, left out, rejected and double, by table, and
    under `live` those of the log · links: the valid ones, as the identities table · state_sequence: the log's last number ·
    read_as: sentences on what the files of each table were taken for, and why · guesses: how columns were read by what their values
    told.
    """

    events: pl.LazyFrame
    items: pl.DataFrame
    users: pl.DataFrame
    contents: pl.DataFrame
    currency: str | None
    findings: tuple[Finding, ...]
    counts: Mapping[str, Counts]
    links: pl.DataFrame
    state_sequence: int
    read_as: Mapping[str, tuple[str, ...]]
    guesses: tuple[Guess, ...]


def read_shop(
    settings: Settings,
    *,
    before: datetime | None = None,
    live_until: datetime | None = None,
    strict: bool = True,
    erasure_keys: ErasureKeys | None = None,
) -> ShopTables:
    """Read, map and check all tables of the shop and the live log, with events and identity links before `before` only.

    The log counts up to its first event later than `live_until`; a snapshot made of these tables leaves the rest to the service.
    Unless `strict`, a table with too many bad rows does not stop the reading; its findings say so all the same. `erasure_keys`
    knows the forgotten.

    Raises:
        DataError: if a file or a required column is missing, currencies are mixed, or too many rows of a table are bad.
        StateError: if the log cannot be read.
        SettingsError: if somebody was forgotten with a secret that `erasure_keys` does not have.
    """
    if not settings.data.events.named:
        raise DataError("events: no file is named; set `data.events.paths` or `data.events.database` in the settings")
    live = read_live(settings, before=before, until=live_until)
    tombstones = Tombstones(erasure_keys, live.tombstones)
    mapped = map_tables(settings, TABLES, before)
    erased: dict[str, Erased | None] = dict.fromkeys(mapped)
    if tombstones:
        forgotten = ErasedRows(tombstones, mapped, live)
        live = forgotten.without(live)
        erased = {name: forgotten.of_table(name) for name in mapped}
    reads = {name: read_table(name, getattr(settings.data, name), each, erased[name]) for name, each in mapped.items()}
    _write_rejects(settings, reads, tombstones.fingerprint)
    if strict:
        _stop_if_too_bad(reads, settings.data.max_rejected_share)
        stop_if_unreadable((f for read in reads.values() for f in read.findings), settings.data.max_unreadable_share)
    return _joined_up(settings, reads, live)


def map_tables(settings: Settings, names: Iterable[str], before: datetime | None = None) -> dict[str, MappedTable]:
    """Open and map those of the named tables that the settings give files for; raises as `read_shop`."""
    tables = {name: getattr(settings.data, name) for name in names}
    return {name: map_table(settings, name, table, before) for name, table in tables.items() if table.named}


def findings_table(tables: ShopTables) -> list[dict[str, str]]:
    """Give the findings as rows of text for a table on the terminal, the worst first."""
    order = ("rejected", "closed", "emptied", "left_out", "note")
    ranked = sorted(tables.findings, key=lambda each: (order.index(each.level), -each.rows))
    return [
        {
            "table": each.table,
            "file": Path(each.file).name,
            "column": each.column,
            "rule": each.rule,
            "rows": f"{each.rows:,}",
            "share": percent(each.share),
            "example": each.example,
            "done": DONE[each.level],
            "advice": each.advice,
        }
        for each in ranked
    ]


def _joined_up(settings: Settings, reads: Mapping[str, Read], live: LiveRows) -> ShopTables:
    events, folded = _with_live(reads["events"], live)
    one = {name: _one_row_per_id(name, reads) for name in ("items", "users", "contents")}
    links, refused = _links(reads, live, one["users"][0])
    currency, foreign = _currency(settings, reads, folded)
    resolved = identities.resolve(events.frame.with_columns(event_id()), links, live.ends)
    canonical = resolved.with_columns(_in_currency(currency)).select(list(schema("events")))
    items = _items(settings, {**reads, "events": _telling(reads["events"], folded)}, one["items"][0], live, currency)
    findings = [f for read in reads.values() for f in read.findings]
    findings += [f for _, doubles in one.values() for f in doubles]
    findings += [*refused, *foreign, *_notes(reads, folded, canonical, items)]
    doubles = {name: sum(f.rows for f in said) for name, (_, said) in one.items()}
    counts = _counts(reads, doubles) | ({"live": folded.counts} if folded else {})
    (users, _), (contents, _), told = one["users"], one["contents"], tuple(findings)
    read_as = {name: read.read_as for name, read in reads.items()}
    guesses = tuple(guess for read in reads.values() for guess in read.guesses)
    return ShopTables(canonical, items, users, contents, currency, told, counts, links, live.sequence, read_as, guesses)


def _with_live(events: Read, live: LiveRows) -> tuple[Read, Folded | None]:
    if live.events is None:
        return events, None
    folded = fold_in(events, live.events)
    return merged(events, folded.events) if folded.counts.kept else events, folded


def _telling(events: Read, folded: Folded | None) -> Read:
    """The events that items may be built from: the shop's own, and live ones that say a price or a category. What a browser says
    carries neither, or anybody could put items into the shop."""
    if folded is None:
        return events
    telling = folded.events.filter(pl.col("price").is_not_null() | pl.col("category").is_not_null())
    return merged(events, telling)


def _items(
    settings: Settings, reads: Mapping[str, Read], rows: pl.DataFrame, live: LiveRows, currency: str | None
) -> pl.DataFrame:
    """The item table, with the columns that it does not have from events; all of it from events where there is none."""
    updates = newer(live.updates, reads, rows, settings.data.export_hours)
    return finish_items(overlaid(_known_items(reads, rows, currency), updates), currency)


def _known_items(reads: Mapping[str, Read], rows: pl.DataFrame, currency: str | None) -> pl.DataFrame:
    events = reads["events"]
    if "items" not in reads:
        return items_from_events(events.frame, events.present, currency)
    absent = events.present & (set(schema("items")) - reads["items"].present)
    if absent <= {"currency"}:
        return rows
    seen = items_from_events(events.frame, absent, currency)
    return rows.drop(absent, strict=False).join(seen, on="item_id", how="left")


def _one_row_per_id(name: str, reads: Mapping[str, Read]) -> tuple[pl.DataFrame, list[Finding]]:
    """Collect a table with the last row of every id, of items the newest by `as_of`, and say how many rows came before those."""
    if name not in reads:
        return pl.DataFrame(schema=schema(name)), []
    read, key = reads[name], next(iter(schema(name)))
    newest = [column for column in ("as_of",) if column in schema(name)]
    rows = read.frame.collect(engine="streaming").sort(*newest, ROW, nulls_last=False)
    last = rows.unique(key, keep="last", maintain_order=True)
    if last.height == rows.height:
        return last.select(list(schema(name))), []
    double, share = rows.height - last.height, 1 - last.height / rows.height
    example = shown("id", rows.filter(pl.col(key).is_duplicated())[key][0])
    advice = "nothing, if the last row of each is the newest; else export one row per id"
    if newest:
        advice = f"{advice}, map `as_of`, or set `pivot` where rows are properties"
    return last.select(list(schema(name))), [
        Finding(name, read.files[0], key, f"{key} is unique", double, share, example, advice, "left_out")
    ]


def _links(reads: Mapping[str, Read], live: LiveRows, users: pl.DataFrame) -> tuple[pl.DataFrame, list[Finding]]:
    links, columns = live.links, list(schema("identities"))
    if "identities" in reads:
        links = pl.concat([reads["identities"].frame.collect(engine="streaming").select(columns), links])
    wrong = identities.refused(links, users)
    if not wrong.any():
        return links, []
    first = links.filter(wrong).row(0, named=True)
    finding = Finding(
        table="identities",
        file=reads["identities"].files[0] if "identities" in reads else live.file,
        column="anonymous_id",
        rule="is not the id of a known user",
        rows=int(wrong.sum()),
        share=int(wrong.sum()) / links.height,
        example=f"{shown('id', first['anonymous_id'])} → {shown('id', first['user_id'])}",
        advice="link anonymous ids to known users only; two known users are never joined",
        level="left_out",
    )
    return links.filter(~wrong), [finding]


def _currency(settings: Settings, reads: Mapping[str, Read], folded: Folded | None) -> tuple[str | None, list[Finding]]:
    """Settle the catalogue's currency; event prices in another one are found, and count in no revenue.

    Live events settle it where nothing else does: the one that most of them have.
    """
    wanted, in_events = settings.data.currency, _currencies(reads["events"])
    in_items = _currencies(reads["items"]) if "items" in reads else {}
    in_live = _counted(folded.events) if folded else {}
    if in_items:
        wanted = catalogue_currency(wanted, in_items, "items") or ""
    elif not wanted:
        wanted = catalogue_currency(wanted, in_events, "events") or next(iter(in_live), "")
    others = {code: rows for code, rows in [*in_events.items(), *in_live.items()] if code != wanted}
    rows = sum(count for counted in (in_events, in_live) for code, count in counted.items() if code != wanted)
    if not others:
        return wanted or None, []
    events = reads["events"]
    finding = Finding(
        table="events",
        file=events.files[0],
        column="currency",
        rule=f"prices are in {wanted}",
        rows=rows,
        share=rows / max(1, _kept(events, folded)),
        example=next(iter(others)),
        advice=f"convert prices to {wanted} where revenue in them should count",
        level="emptied",
    )
    return wanted, [finding]


def _currencies(read: Read) -> dict[str, int]:
    return _counted(read.frame) if "currency" in read.present else {}


def _counted(frame: pl.LazyFrame) -> dict[str, int]:
    counted = frame.select("currency").drop_nulls().group_by("currency").len().sort("len", "currency", descending=True)
    return dict(counted.collect(engine="streaming").rows())


def _in_currency(currency: str | None) -> list[pl.Expr]:
    if currency is None:
        return []
    ours = pl.col("currency").is_null() | (pl.col("currency") == currency)
    return [pl.when(ours).then(name).alias(name) for name in ("price", "discount")]


def _notes(reads: Mapping[str, Read], folded: Folded | None, events: pl.LazyFrame, items: pl.DataFrame) -> list[Finding]:
    """Say what is worth knowing but changes nothing: empty tables, events of items that the item table lacks."""
    empty = [_empty(name, read) for name, read in reads.items() if not read.counts.kept]
    if "items" not in reads:
        return empty
    unknown = events.select("item_id").drop_nulls().join(items.lazy().select("item_id"), on="item_id", how="anti")
    counted = unknown.group_by("item_id").len().collect(engine="streaming").sort("len", "item_id", descending=[True, False])
    if counted.is_empty():
        return empty
    rows, read = int(counted["len"].sum()), reads["events"]
    near = would_match(counted["item_id"], items["item_id"])
    alike = f"{near:,} of the {counted.height:,} ids would match if blanks, letter case, .0 and leading zeros were not told apart"
    sold = "nothing, if those items are no longer sold; they are never recommended"
    unlisted = Finding(
        table="events",
        file=read.files[0],
        column="item_id",
        rule="is in the item table",
        rows=rows,
        share=rows / max(1, _kept(read, folded)),
        example=f"{shown('id', counted['item_id'][0])} ({counted.height:,} ids)",
        advice=f"set `data.ids.item`: {alike}" if near else sold,
    )
    return [*empty, unlisted]


def _kept(events: Read, folded: Folded | None) -> int:
    return events.counts.kept + (folded.counts.kept if folded else 0)


def _empty(name: str, read: Read) -> Finding:
    left = read.counts.left_out
    rule = f"keeps rows (all {left:,} are left out by the settings)" if left else "has rows"
    advice = "look at `where`, `event_types` and the dates asked for" if left else "check that the export ran"
    return Finding(name, read.files[0], "", rule, 0, 0.0, "", advice)


def _counts(reads: Mapping[str, Read], doubles: Mapping[str, int]) -> dict[str, Counts]:
    more = {name: read.counts.duplicates + doubles.get(name, 0) for name, read in reads.items()}
    return {name: replace(read.counts, duplicates=more[name]) for name, read in reads.items()}


def _stop_if_too_bad(reads: Mapping[str, Read], limit: float) -> None:
    said = []
    for name, read in reads.items():
        bad, rows = read.counts.rejected, read.counts.read - read.counts.left_out
        if read.counts.rejected_share > limit:
            said.append(f"{name}: {bad:,} of {rows:,} rows ({percent(bad / rows)}) are bad; {percent(limit)} are allowed")
            said += [f"  {explain(f)}" for f in read.findings if f.level == "rejected"]
    if said:
        raise DataError("\n".join([*said, "raise `data.max_rejected_share` to go on without those rows"]))


def rejects_file(settings: Settings, name: str) -> Path:
    """The file of a table's bad rows."""
    return settings.path(settings.data.rejects) / f"rejected_{name}.parquet"


def _write_rejects(settings: Settings, reads: Mapping[str, Read], forgotten: str) -> None:
    """Write each table's bad rows as one file, or take an older one away; never over a file of the shop's own.

    The file notes who was `forgotten` then, so that `purge` can tell whether it is older than somebody's wish.
    """
    inputs = {Path(file).resolve() for read in reads.values() for file in read.files}
    for name, read in reads.items():
        target = rejects_file(settings, name)
        if target.resolve() in inputs:
            raise DataError(f"{name}: {target} is both read and written; set `data.rejects` to a folder of its own")
        if read.rejects.is_empty():
            target.unlink(missing_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with write_whole(target) as aside:
            read.rejects.write_parquet(aside, metadata={FORGOTTEN: forgotten})
