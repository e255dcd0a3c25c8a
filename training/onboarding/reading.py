"""A proposal tried on the rows that were looked at: what their values pin, and three rows as they will be understood."""

from __future__ import annotations

import glob
import re
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import polars as pl

from recsys.settings import Settings
from recsys.settings.load import parse_settings
from recsys.settings.tables import Table
from recsys.tables.reader import MappedTable, map_table, reading
from recsys.tables.schema import TABLES, mappable
from recsys.tables.shop import map_tables
from recsys.tables.values.examples import shown
from recsys.types import RecsysError
from training.onboarding.proposal import Proposal

_SIGNS = {"commas": ",", "semicolons": ";", "tabs": "\t", "vertical bars": "|"}
_PEOPLE = ("user_id", "anonymous_id", "session_id", "order_id", "event_id", "birthday")
_EXAMPLES = 3
_MONEY = frozenset(column.name for table in TABLES.values() for column in table if column.kind == "money")


@dataclass(frozen=True, slots=True)
class Understood:
    """Reading of the first rows: for each canonical column its name, the shop's, and up to three values, ids of people as shapes.

    problem: why nothing can be read, in words; empty where it can.
    """

    columns: tuple[tuple[str, ...], ...] = ()
    problem: str = ""


def settle(proposal: Proposal) -> Understood:
    """Pin in a proposal what its values tell, with the evidence, and read its first rows by it."""
    _pin_layout(proposal)
    try:
        mapped = _mapped(proposal)
        for guess in mapped.guesses:
            pinned, said = _pinned(guess.pin), f"{guess.column} read as {guess.read_as}: {guess.evidence}"
            if "decimal" in pinned and not _holds_for_money(guess.column, mapped):
                pinned = {}
                proposal.evidence.append(said)
            elif pinned:
                proposal.settings |= pinned
                proposal.evidence.append(said)
            else:
                proposal.unsure.append(f"{said}; set `{guess.pin}`")
        return _understood(proposal.table, _mapped(proposal))
    except RecsysError as error:
        return Understood(problem=str(error))


def _holds_for_money(column: str, mapped: MappedTable) -> bool:
    """Tell whether what pins a column's decimal mark holds for all of the table: prices may have another one than units."""
    guessed = {guess.column.rpartition("(")[2].rstrip(")") for guess in mapped.guesses}
    there = {name for source in mapped.sources for name in source.origins}
    return column.rpartition("(")[2].rstrip(")") in _MONEY or not there & _MONEY - guessed


def table_of(proposal: Proposal, paths: tuple[str, ...]) -> Table:
    """The proposal's settings for files at other places."""
    return msgspec.convert({**proposal.settings, "paths": paths}, Table)


def _pinned(pin: str) -> dict[str, str]:
    """The setting of a text such as `data.events.time_unit = "ms"`; one that leaves a choice is none."""
    match = re.fullmatch(r'data\.\w+\.(\w+) = "([^"]*)"', pin)
    return {match[1]: match[2]} if match else {}


def _mapped(proposal: Proposal) -> MappedTable:
    samples = [seen.sample for seen in proposal.seen]
    settings = parse_settings("", samples[0].parent)
    return map_table(settings, proposal.table, table_of(proposal, tuple(glob.escape(str(each)) for each in samples)))


def _pin_layout(proposal: Proposal) -> None:
    """Encoding and separator of text files, as they were found out."""
    said = [_layout_of(each) for seen in proposal.seen for each in seen.read_as]
    for name in ("encoding", "separator"):
        values = {each.get(name, "") for each in said}
        if len(values) == 1 and "" not in values:
            proposal.settings[name] = values.pop()
    for seen in proposal.seen:
        proposal.evidence.append(f"read as {seen.source.read_as[0].replace(str(seen.sample), seen.paths[0].name)}")


def _layout_of(said: str) -> dict[str, str]:
    found: dict[str, str] = {}
    if sign := re.search(r"fields separated by (commas|semicolons|tabs|vertical bars)", said):
        found["separator"] = _SIGNS[sign[1]]
    if letters := re.search(r": (?:.*, )?([\w-]+) \((?:every byte|by its letters)", said):
        found["encoding"] = letters[1].lower()
    return found


def _understood(name: str, mapped: MappedTable) -> Understood:
    [first, *_] = mapped.sources
    there = first.frame.collect_schema().names()
    present = [column.name for column in mappable(name) if column.name in there]
    with reading(name, [first.source]):
        rows = first.frame.select(present).collect(engine="streaming")
    required = [column.name for column in TABLES[name] if column.required]
    whole = rows.filter(pl.all_horizontal(pl.col(column).is_not_null() for column in required))
    examples = whole.head(_EXAMPLES)
    columns = [column for column in present if examples[column].null_count() < examples.height]
    guessed = [(c, " + ".join(first.origins[c]), *(_example(c, value) for value in examples[c])) for c in columns]
    problem = "" if whole.height else f"no row has all of {', '.join(required)} that can be read"
    return Understood(tuple(guessed), problem)


def newest_event(settings: Settings, now: datetime) -> datetime | None:
    """The time of the last event until now in all of the shop's files, for one stray date of 2099 says nothing; None without any."""
    [events] = map_tables(settings, ["events"]).values()
    times = [each.frame.select(pl.col("timestamp").filter(pl.col("timestamp") <= now).max()) for each in events.sources]
    with reading("events", [each.source for each in events.sources]):
        newest = pl.concat(times).collect(engine="streaming").to_series().max()
    return newest.astimezone(UTC) if isinstance(newest, datetime) else None


def _example(column: str, value: object) -> str:
    """A value for the terminal: of ids of people the shape only."""
    if value is None:
        return ""
    if column in _PEOPLE:
        return shown("id", value)
    return str(value) if len(str(value)) <= 40 else f"{str(value)[:39]}…"
