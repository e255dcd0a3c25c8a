"""Files that belong together: lines of orders, and those that bring who bought them and when, by keys that both have."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import polars as pl

from training.onboarding.files import Seen
from training.onboarding.names import named, plain, says_state
from training.onboarding.values import texts

_KEYS = 1_000
"""Most keys that are looked for in another file."""
_ENOUGH, _UNIQUE = 0.9, 0.98
"""Share of the keys that must stand in the other file, and of its own ones that stand there once."""
_MOST_JOINS = 3
_BARE, _ENDS = (
    frozenset(("id", "entityid", "key", "no", "nr", "number", "nummer")),
    ("id", "key", "no", "nr", "number", "nummer", "order", "ref"),
)
"""Names of a table's own key, and how the columns of others that hold it end."""
_NUMBER = re.compile(r"(?:[\W_](?i:id|no|nr|number|nummer)|(?:Id|No|Nr|Number))$")
"""How names of numbers end, which may be as long as those of seconds since 1970."""
_MOMENTS = ("purchase", "order", "bought", "placed", "created", "date")
"""What the name of the moment of an order holds, the most telling first."""
_PERSONS = ("person", "uniqueid", "masterid", "globalid", "accountid", "memberid")
"""What the name of a column ends with that tells one person from several ids of one."""


@dataclass(frozen=True, slots=True)
class Bond:
    """A further file with a row for each key: this side's column and the other's, and which share of the keys stands there."""

    other: Seen
    mine: str
    theirs: str
    share: float


@dataclass(frozen=True, slots=True)
class Joined:
    """Lines of orders with the columns that other files bring, and what each canonical column of events is taken for."""

    seen: Seen
    columns: dict[str, str]
    bonds: tuple[Bond, ...]
    evidence: tuple[str, ...]
    unsure: tuple[str, ...]

    def settings(self) -> list[dict[str, object]]:
        """The joins as in the settings."""
        return [
            {
                "paths": [glob.escape(str(path.resolve())) for path in bond.other.paths],
                "on": bond.mine if bond.mine == bond.theirs else {bond.mine: bond.theirs},
            }
            for bond in self.bonds
        ]


def joined_events(seen: Sequence[Seen]) -> Joined | None:
    """Lines with an item that other files give a user and a moment to; the file with most rows is tried first."""
    for lines in sorted(seen, key=lambda each: each.rows.height, reverse=True):
        columns = _columns(lines)
        if "item_id" in columns and not _whole(columns) and (found := _completed(lines, seen)):
            return found
    return None


def stated(lines: Seen, order: str, seen: Sequence[Seen]) -> Joined | None:
    """Events with the columns of another file that has a row for each of their orders, and says how it stands."""
    for other in [each for each in seen if each is not lines]:
        if not any(map(says_state, other.rows.columns)):
            continue
        for bond in _bonds(replace(lines, rows=lines.rows.select(order)), other, {}):
            return Joined(_with(lines, bond), {}, (bond,), (_evidence(bond),), ())
    return None


def _completed(lines: Seen, seen: Sequence[Seen]) -> Joined | None:
    bonds = list[Bond]()
    first = lines
    while not _whole(columns := _columns(lines)) and len(bonds) < _MOST_JOINS:
        left = [each for each in seen if each is not first and all(each is not bond.other for bond in bonds)]
        bonds_of = [bond for other in left for bond in _bonds(lines, other, columns)]
        found = [
            (_gain(lines, bond, columns), bond.mine not in lines.usable["timestamp"], bond.share, bond) for bond in bonds_of
        ]
        gain, _, _, best = max(found, key=lambda each: each[:3], default=(0, False, 0.0, None))
        if not gain or best is None:
            return None
        bonds.append(best)
        lines = _with(lines, best)
    if not bonds or not _whole(columns):
        return None
    columns.setdefault("order_id", bonds[0].mine)
    unsure = []
    if person := _person(lines, columns["user_id"], [each for each in seen if each is not first], bonds):
        bond, who = person
        bonds.append(bond)
        lines, columns["user_id"] = _with(lines, bond), who
        unsure.append(
            f"{who} of {bond.other.name} is taken for the person, and {bond.mine} for one of several ids of one: is it so?"
        )
    if len(times := [each for each in lines.usable["timestamp"] if not _NUMBER.search(each)]) > 1:
        unsure.append(
            f"{columns['timestamp']} is taken for the moment of an order; the others are {_listed(times, columns)}"
        )
    return Joined(lines, columns, tuple(bonds), tuple(map(_evidence, bonds)), tuple(unsure))


def _listed(times: Sequence[str], columns: dict[str, str]) -> str:
    return ", ".join(each for each in times if each != columns["timestamp"])


def _evidence(bond: Bond) -> str:
    brings = ", ".join(each for each in bond.other.rows.columns if each != bond.theirs)
    on = bond.mine if bond.mine == bond.theirs else f"{bond.mine} = {bond.theirs}"
    return f"{bond.other.name} brings {brings} by {on}: {bond.share:.0%} of the keys looked for stand there, each once"


def _columns(lines: Seen) -> dict[str, str]:
    """The canonical columns of events by names, with the moment of the order where its name is no usual one."""
    usable = lines.usable
    found = named("events", lines.rows.columns, usable)
    times = [each for each in usable["timestamp"] if each not in found.values()]
    if "timestamp" not in found and times:
        telling = [each for word in _MOMENTS for each in times if word in plain(each)]
        if telling or len(times) == 1:
            found["timestamp"] = (telling or times)[0]
    return found


def _whole(columns: dict[str, str]) -> bool:
    return {"item_id", "user_id", "timestamp"} <= set(columns)


def _gain(lines: Seen, bond: Bond, columns: dict[str, str]) -> int:
    after = _columns(_with(lines, bond))
    return sum(name in after and name not in columns for name in ("user_id", "timestamp"))


def _bonds(lines: Seen, other: Seen, columns: dict[str, str]) -> Iterator[Bond]:
    """Keys of lines, but for the item's, that stand in another file, each in one row of it."""
    for theirs in other.rows.columns:
        values = texts(other.rows, theirs)
        if values.is_empty() or values.n_unique() < _UNIQUE * other.rows.height:
            continue
        for mine in lines.rows.columns:
            if mine == columns.get("item_id") or not _alike(mine, theirs):
                continue
            keys = texts(lines.rows, mine).unique(maintain_order=True).head(_KEYS)
            share = _share(keys, values, other, theirs) if len(keys) else 0.0
            if share >= _ENOUGH:
                yield Bond(other, mine, theirs, share)


def _alike(mine: str, theirs: str) -> bool:
    one, two = plain(mine), plain(theirs)
    return (
        one == two
        or (two in _BARE and one.endswith(_ENDS))
        or (len(two) > 3 and (one.startswith(two) or two.startswith(one)))
    )


def _share(keys: pl.Series, values: pl.Series, other: Seen, theirs: str) -> float:
    """Share of the keys among the values, 0…1; of a file that was looked at in part, all of it is asked where its start lacks them."""
    found = keys.is_in(values.implode()).sum()
    cut = other.sample != other.paths[0].resolve() or other.rows.height < _height(other)
    if found < _ENOUGH * len(keys) and cut and other.sample == other.paths[0].resolve():
        text = pl.col(theirs).cast(pl.String).str.strip_chars()
        there = other.source.frame.select(text).filter(text.is_in(keys.implode())).unique().collect(engine="streaming")
        found = there.height
    return float(found) / len(keys)


def _height(seen: Seen) -> int:
    return seen.source.height()


def _with(lines: Seen, bond: Bond) -> Seen:
    """The lines with the other file's columns, as far as both were looked at."""
    key = "__key"
    new = [each for each in bond.other.rows.columns if each not in lines.rows.columns and each != bond.theirs]
    theirs = bond.other.rows.select(pl.col(bond.theirs).cast(pl.String).str.strip_chars().alias(key), *new).unique(key)
    mine = lines.rows.with_columns(pl.col(bond.mine).cast(pl.String).str.strip_chars().alias(key))
    rows = mine.join(theirs, on=key, how="left", maintain_order="left").drop(key)
    return replace(lines, rows=rows)


def _person(lines: Seen, user: str, seen: Sequence[Seen], bonds: Sequence[Bond]) -> tuple[Bond, str] | None:
    """A file that tells which of several ids of users are one person."""
    for other in [each for each in seen if all(each is not bond.other for bond in bonds)]:
        for bond in _bonds(replace(lines, rows=lines.rows.select(user)), other, {}):
            for who in other.rows.columns:
                several = texts(other.rows, who).n_unique() < texts(other.rows, bond.theirs).n_unique()
                if who != bond.theirs and several and plain(who).endswith(_PERSONS):
                    return bond, who
    return None
