"""A shop's tables as the canonical ones: found, mapped, checked row by row, and joined up; nothing is changed in them.

`read_shop` looks at every row once to find the bad and the double ones, and hands the events out lazily without those.
Bad rows are written to the folder of the setting `data.rejects`, so that the shop can look at them; nothing else is.
What was written down while serving is folded in, and the forgotten are left out, as if they had never been there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import NamedTuple

import polars as pl

from recsys.ids.event_ids import ORDER_LINES
from recsys.ids.user_ids import NullUsers
from recsys.live.erasure import ErasureKeys, Tombstones
from recsys.settings import Settings
from recsys.tables import identities
from recsys.tables.checks.catalogue_rules import catalogue_rules
from recsys.tables.checks.cleaning import Cleaning, look_at
from recsys.tables.checks.duplicates import event_id
from recsys.tables.checks.limits import stop_if_unreadable
from recsys.tables.checks.matching import of_unlisted
from recsys.tables.checks.people import by_their_other_name, without_nobody
from recsys.tables.checks.rejects import stop_if_too_bad, write_rejects
from recsys.tables.checks.survey import COLUMNS, MAPPED, Survey
from recsys.tables.checks.unique_rows import last_rows
from recsys.tables.checks.whole_tables import checked_users, doubtful_group
from recsys.tables.earlier import Earlier, ReadSome, Resolve, Some, Told
from recsys.tables.erased_rows import ErasedRows
from recsys.tables.items import finish_items, known_items, newer, overlaid
from recsys.tables.live_rows import Folded, LiveRows, fold_in, merged, read_live
from recsys.tables.reader import Counts, Erased, MappedTable, Read, map_table, read_table
from recsys.tables.returns import find_returns
from recsys.tables.schema import TABLES, TIME, schema
from recsys.tables.sources import ROW
from recsys.tables.sources.spool import at_hand
from recsys.tables.validation import Finding
from recsys.tables.values.money import Money, settle
from recsys.tables.values.nobody import is_nobody
from recsys.tables.values.notation import Guess
from recsys.types import DataError


@dataclass(frozen=True, slots=True)
class ShopTables:
    """Tables that the offline job reads: valid rows with all canonical columns (docs/data.md), null where the shop has none.

    events: lazy, one row per event_id, anonymous ids resolved, the user null where it is nobody, money in `currency` · rows: of
    them what every fit reads, `MAPPED`, in memory, or laid down if they are to be cut into several `partitions` · items: one row per
    item_id, sorted · users: one per user_id · contents: one per content_id · counts: rows read, left out, rejected and double, by
    table, and under `live` those of the log · links: the valid ones, as the identities table · joins: joined accounts, likewise ·
    state_sequence: the log's last number · read_as: sentences on what the files of each table were taken for, and why · guesses: how
    columns were read by what their values told · seen: all events together · machines: ids whose browsing is left out · never: ids of
    items that are never shown, in the item table or not · judged: the shop's own events with what was found of each row, for
    `read_shop` to be asked for an earlier moment without judging them again; None: they have to be · told, cleaning: likewise, for it
    to read few of them · only: ids whose events `rows` has, and nobody's orders; None: everybody's.
    """

    events: pl.LazyFrame
    rows: pl.LazyFrame
    partitions: int
    items: pl.DataFrame
    users: pl.DataFrame
    contents: pl.DataFrame
    currency: str | None
    findings: tuple[Finding, ...]
    counts: Mapping[str, Counts]
    links: pl.DataFrame
    joins: pl.DataFrame
    state_sequence: int
    read_as: Mapping[str, tuple[str, ...]]
    guesses: tuple[Guess, ...]
    seen: Survey
    machines: pl.Series
    never: pl.Series
    judged: Read | None
    told: Told
    cleaning: Cleaning
    only: pl.Series | None = None


def read_shop(
    settings: Settings,
    *,
    now: datetime | None = None,
    before: datetime | None = None,
    live_until: datetime | None = None,
    strict: bool = True,
    erasure_keys: ErasureKeys | None = None,
    only_orders: bool = False,
    judged: Read | None = None,
    later: ShopTables | None = None,
) -> ShopTables:
    """Read, map and check all tables of the shop and the live log, with events and identity links before `before` only.

    Events later than `now` (None: none is) are left out, as those of 1970 are, and found. The log counts up to its first event later
    than `live_until`; a snapshot made of these tables leaves the rest to the service. Unless `strict`, a table with too many bad
    rows does not stop the reading; its findings say so all the same. `erasure_keys` knows the forgotten.
    `only_orders`: `rows` are purchases and refunds alone, with those of machines; the other events are not looked at together.
    `judged`: the events of a later moment, whose rows are taken as they were judged; what is told of many of them is told anew.
    `later`: the shop as of the moment that they were judged at. Where it can be told of whom `before` has other rows than it has up to
    then, `rows` are theirs alone, `only` names them, and `findings`, `counts` and `seen` are those of the later moment.

    Raises:
        DataError: if a file or a required column is missing, currencies are mixed, or too many rows of a table are bad.
        StateError: if the log cannot be read.
        SettingsError: if somebody was forgotten with a secret that `erasure_keys` does not have.
    """
    if not settings.data.events.named:
        raise DataError(
            "events: no file is named; set `data.events.paths`, `data.events.database` or `data.events.spark` in the settings"
        )
    live = read_live(settings, before=before, until=live_until)
    tombstones = Tombstones(erasure_keys, live.tombstones)
    mapped = map_tables(settings, [name for name in TABLES if name != "events" or judged is None], before)
    reads, live = _read(settings, mapped, live, tombstones)
    if judged is not None:
        reads["events"] = judged.before(before) if before else judged
    write_rejects(settings, reads, tombstones.fingerprint)
    if strict:
        stop_if_too_bad(reads, settings.data.max_rejected_share)
        stop_if_unreadable((f for read in reads.values() for f in read.findings), settings.data.max_unreadable_share)
    asked = _Asked(now, before, only_orders, later, tombstones.fingerprint)
    return _joined_up(settings, reads, live, asked)


def _read(
    settings: Settings, mapped: Mapping[str, MappedTable], live: LiveRows, tombstones: Tombstones
) -> tuple[dict[str, Read], LiveRows]:
    """Read tables and the log's rows without what is of those who were forgotten."""
    erased: dict[str, Erased | None] = dict.fromkeys(mapped)
    if tombstones:
        forgotten = ErasedRows(tombstones, mapped, live, settings.data.nobody)
        live = forgotten.without(live)
        erased = {name: forgotten.of_table(name) for name in mapped}
    reads = {
        name: read_table(name, getattr(settings.data, name), each, erased[name], settings.training)
        for name, each in mapped.items()
    }
    return reads, live


def map_tables(settings: Settings, names: Iterable[str], before: datetime | None = None) -> dict[str, MappedTable]:
    """Open and map those of the named tables that the settings give files for; raises as `read_shop`."""
    tables = {name: getattr(settings.data, name) for name in names}
    mapped = {name: map_table(settings, name, table, before) for name, table in tables.items() if table.named}
    null_users = settings.data.nobody
    if events := mapped.get("events"):
        sources = (replace(each, frame=by_their_other_name(each.frame, null_users)) for each in events.sources)
        mapped["events"] = replace(events, sources=tuple(sources))
    return mapped


class _Asked(NamedTuple):
    """Wishes of who reads a shop, as of `read_shop`, and whose erasure is known."""

    now: datetime | None
    before: datetime | None
    only_orders: bool
    later: ShopTables | None
    erased: str


def _joined_up(settings: Settings, reads: Mapping[str, Read], live: LiveRows, asked: _Asked) -> ShopTables:
    data, null_users = settings.data, settings.data.nobody
    events, folded = _with_live(reads["events"], live)
    narrow = events.narrow.filter(pl.col("event_type").is_in(ORDER_LINES)) if asked.only_orders else events.narrow
    one, doubles = _each_once(reads)
    users = one["users"].filter(~is_nobody("user_id", null_users))
    links, refused = identities.valid_links(reads, live, users, null_users)
    money, foreign = settle(data, reads, folded)
    item_rows = money.convert(one["items"].lazy()).collect()
    told = Told(money, identities.with_joins(links, live.joins), live.ends, _doubled(folded), (live.sequence, asked.erased))
    told, resolved = _with_returns(told, events, null_users)
    refused += told.returns.findings(_kept(reads["events"], folded), reads["events"].files[0])
    earlier = _read_earlier(asked, told)
    some = earlier and earlier(narrow, resolved, item_rows, data, events.partitions)
    if some is None:
        rows = at_hand(resolved(narrow).select(COLUMNS), events.partitions)
        some = Some(None, rows, look_at(rows, item_rows, data, asked.now, reads["events"].files[0]))
    only, rows, cleaning = some
    facts = _item_facts(reads, folded, cleaning, money)
    learned_from = cleaning.people(rows).select(MAPPED)  # of several partitions it stays where its rows are laid down
    updates = newer(live.updates, facts, one["items"], data.export_hours)
    whole = finish_items(overlaid(known_items(facts, item_rows), updates), money.currency)
    canonical = cleaning.people(resolved(events.frame.with_columns(event_id()))).select(list(schema("events")))
    assortment = _assortment_of(settings, reads, folded, cleaning, whole, rows if only is None else money.convert(narrow))
    users, of_users = checked_users(users, cleaning.seen.users, reads["users"].files[0] if "users" in reads else "")
    return ShopTables(
        events=canonical,
        rows=learned_from if events.partitions > 1 else learned_from.collect().lazy(),
        partitions=events.partitions,
        items=assortment.items,
        users=users,
        contents=one["contents"],
        currency=money.currency,
        findings=(*_found(reads, doubles), *of_users, *refused, *foreign, *cleaning.findings, *assortment.findings),
        counts=_counts(reads, doubles, cleaning.left_out) | ({"live": folded.counts} if folded else {}),
        links=links,
        joins=live.joins,
        state_sequence=live.sequence,
        read_as={name: read.read_as for name, read in reads.items()},
        guesses=tuple(guess for read in reads.values() for guess in read.guesses),
        seen=cleaning.seen,
        machines=cleaning.machines.ids["user_id"],
        never=assortment.never,
        judged=None if data.events.pivot else reads["events"],  # a pivot knows the values of its moment
        told=told,
        cleaning=cleaning,
        only=only,
    )


def _with_returns(told: Told, events: Read, null_users: NullUsers) -> tuple[Told, Resolve]:
    """Find out whose refunds are, and what gives events to known users, in one currency."""

    def known(frame: pl.LazyFrame) -> pl.LazyFrame:
        return identities.resolve(without_nobody(frame, null_users), told.links, told.ends)

    returns = find_returns(known(events.narrow.filter(pl.col("event_type").is_in(ORDER_LINES))))
    return replace(told, returns=returns), lambda frame: told.money.convert(returns.given_to_buyers(known(frame)))


def _each_once(reads: Mapping[str, Read]) -> tuple[dict[str, pl.DataFrame], dict[str, list[Finding]]]:
    """Tables of things with an id, one row of each, and what was found of rows that stand in them twice."""
    last = {name: last_rows(name, reads) for name in ("items", "users", "contents")}
    return {name: rows for name, (rows, _) in last.items()}, {name: found for name, (_, found) in last.items()}


def _found(reads: Mapping[str, Read], doubles: Mapping[str, Sequence[Finding]]) -> Iterable[Finding]:
    """Return what was found in each table by itself, and of rows that stand in it twice."""
    return chain.from_iterable([*(read.findings for read in reads.values()), *doubles.values()])


def _doubled(folded: Folded | None) -> pl.DataFrame:
    """Return the rows of the tables whose events the live log has as well."""
    return pl.DataFrame(schema={ROW: pl.UInt64(), "timestamp": TIME}) if folded is None else folded.doubles


def _read_earlier(asked: _Asked, told: Told) -> ReadSome | None:
    """Find what reads rows as of an earlier moment, where a later one has been read; None: none has."""
    if not (asked.later and asked.before):
        return None
    earlier = Earlier(asked.before, told, asked.later.told, asked.later.cleaning)
    return earlier.orders if asked.only_orders else earlier.some_rows


class _Assortment(NamedTuple):
    """The items that may be shown, the ids of those that never are, in the item table or not, and what is to be told of them."""

    items: pl.DataFrame
    never: pl.Series
    findings: tuple[Finding, ...]


def _assortment_of(
    settings: Settings,
    reads: Mapping[str, Read],
    folded: Folded | None,
    cleaning: Cleaning,
    whole: pl.DataFrame,
    rows: pl.LazyFrame,
) -> _Assortment:
    rules, unlisted = catalogue_rules(settings), _unlisted(reads, cleaning.seen.items, whole)
    given_away, file = rules.given_away(rows), (reads.get("items") or reads["events"]).files[0]
    items, unshown = rules.split(whole, given_away, file)
    by_rule = rules.by_id(unlisted["item_id"], given_away)
    notes = _notes(reads, folded, unlisted.filter(~by_rule), whole["item_id"], settings.data.ids.item)
    never = pl.concat([whole.join(items, on="item_id", how="anti")["item_id"], unlisted.filter(by_rule)["item_id"]])
    return _Assortment(items, never, (*unshown, *doubtful_group(items, file), *notes))


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


def _item_facts(reads: Mapping[str, Read], folded: Folded | None, cleaning: Cleaning, money: Money) -> dict[str, Read]:
    """The tables that items are made of, their events cleaned and in one currency."""
    telling = _telling(reads["events"], folded)
    cleaned, narrow = (cleaning.facts(money.convert(each)) for each in (telling.frame, telling.narrow))
    return {**reads, "events": replace(telling, frame=cleaned, narrow=narrow)}


def _unlisted(reads: Mapping[str, Read], seen: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """Items of events that the item table lacks, most events first: item_id and events; none where there is no item table."""
    unknown = seen.join(items, on="item_id", how="anti") if "items" in reads else seen.head(0)
    return unknown.select("item_id", "events").sort("events", "item_id", descending=[True, False])


def _notes(
    reads: Mapping[str, Read], folded: Folded | None, unlisted: pl.DataFrame, known: pl.Series, rules: Sequence[str]
) -> list[Finding]:
    """Say what is worth knowing but changes nothing: empty tables, events of items that the item table lacks."""
    empty = [_empty(name, read) for name, read in reads.items() if not read.counts.kept]
    if unlisted.is_empty():
        return empty
    return [*empty, of_unlisted(unlisted, known, rules, reads["events"], _kept(reads["events"], folded))]


def _kept(events: Read, folded: Folded | None) -> int:
    return events.counts.kept + (folded.counts.kept if folded else 0)


def _empty(name: str, read: Read) -> Finding:
    left = read.counts.left_out
    rule = f"keeps rows (all {left:,} are left out by the settings)" if left else "has rows"
    advice = "look at `where`, `void_orders`, `event_types` and the dates asked for" if left else "check that the export ran"
    return Finding(name, read.files[0], "", rule, 0, 0.0, "", advice)


def _counts(reads: Mapping[str, Read], doubles: Mapping[str, Sequence[Finding]], implausible: int) -> dict[str, Counts]:
    left_out = {name: sum(each.rows for each in said if each.level == "left_out") for name, said in doubles.items()}
    more = {name: read.counts.duplicates + left_out.get(name, 0) for name, read in reads.items()}
    counts = {name: replace(read.counts, duplicates=more[name]) for name, read in reads.items()}
    return counts | {"events": replace(counts["events"], implausible=implausible)}
