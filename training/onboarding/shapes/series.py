"""Files of a series: events under names that differ in their digits, such as a file a year, whose columns changed on the way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from recsys.tables.columns.spelling import plain_name
from training.onboarding.proposal import Proposal
from training.onboarding.values import days_of, texts

_MAY_LACK = ("void_orders", "type_rules", "event_types", "timezone", "day_first")
"""Settings that hold for all files where one of them proposes none; the order of day and month where it has no such dates."""
_OF_ALL = frozenset(["available", "published", "backorder", "category"])
"""Columns of which several mean something else than the first that has a value."""


def is_series(one: Proposal, other: Proposal) -> bool:
    """Tell whether both hold events in files whose paths differ in their digits alone."""
    return one.table == other.table == "events" and _without_digits(one) == _without_digits(other)


def take_in(first: Proposal, other: Proposal) -> str:
    """Let a proposal hold for the files of another one too; returns what stands against it, in words, and changes nothing then."""
    clashes = [f"`{key}` is for one of both" for key in _differing(first, other)]
    if first.preset:
        columns: dict[str, Any] = {}
    else:
        columns, told = _matched(first, other)
        clashes += told
    if clashes:
        return "; ".join(clashes)
    added = {key: other.settings[key] for key in _MAY_LACK if key in other.settings}
    said = [f"{canonical} is {' or '.join(own)}" for canonical, own in columns.items() if own != _named(first, canonical)]
    first.settings = {**added, **first.settings}
    if columns:
        first.settings["columns"] = {name: own[0] if len(own) == 1 else own for name, own in columns.items()}
    if "event_types" in added:
        first.settings["event_types"] = {**added["event_types"], **first.settings["event_types"]}
    first.seen += other.seen
    first.unsure += [each for each in other.unsure if each not in first.unsure]
    first.evidence.append(
        f"{other.seen[0].name} goes with it: its name differs in digits alone{', and ' if said else ''}{', '.join(said)}; "
        "what one of both lacks is empty in its rows"
    )
    return ""


def _without_digits(each: Proposal) -> str:
    return re.sub(r"[\d\W_]+", "", str(each.seen[0].paths[0]))


def _differing(first: Proposal, second: Proposal) -> list[str]:
    """The settings, but for columns, that cannot hold for both."""
    one, other = first.settings, second.settings
    return [
        key
        for key in dict.fromkeys([*one, *other])
        if key != "columns"
        and _plain(one.get(key)) != _plain(other.get(key))
        and not (_may_lack(key, first) or _may_lack(key, second))
        and not (key == "event_types" and _agree(one[key], other[key]))
    ]


def _may_lack(key: str, each: Proposal) -> bool:
    """Tell whether a proposal lacks a setting that another one's may be taken for."""
    if key in each.settings or key not in _MAY_LACK:
        return False
    return key != "day_first" or not any(
        days_of(texts(seen.rows, own)).given for seen in each.seen for own in seen.usable["timestamp"]
    )


def _plain(stated: Any) -> Any:
    """A setting without what spellings of columns differ in."""
    if isinstance(stated, str):
        return plain_name(stated) or stated
    if isinstance(stated, Mapping):
        return {key: _plain(each) for key, each in stated.items()}
    return [_plain(each) for each in stated] if isinstance(stated, list | tuple) else stated


def _agree(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    return all(other.get(word, meaning) == meaning for word, meaning in one.items())


def _named(each: Proposal, canonical: str) -> list[str]:
    stated = each.settings["columns"].get(canonical, ())
    return [stated] if isinstance(stated, str) else [*stated]


def _matched(first: Proposal, other: Proposal) -> tuple[dict[str, list[str]], list[str]]:
    """The columns that each canonical one comes from in both, and in words those that cannot be told."""
    there, here = ({plain_name(name) for seen in each.seen for name in seen.rows.columns} for each in (first, other))
    columns: dict[str, list[str]] = {}
    clashes = []
    for canonical in dict.fromkeys([*first.settings["columns"], *other.settings["columns"]]):
        one, two = _named(first, canonical), _named(other, canonical)
        if not {*map(plain_name, two)} - {*map(plain_name, one)} or not one:
            columns[canonical] = one or two
        elif canonical in _OF_ALL or {*map(plain_name, one)} & here or {*map(plain_name, two)} & there:
            clashes.append(f"{canonical} is {' + '.join(one)} in one and {' + '.join(two)} in the other")
        else:
            columns[canonical] = [*one, *two]
    return columns, clashes + _claimed_twice(columns)


def _claimed_twice(columns: Mapping[str, list[str]]) -> list[str]:
    """Say which column of one file would be another canonical one's in the other, and prices of units beside those of lines."""
    owners: dict[str, list[str]] = {}
    for canonical, own in columns.items():
        for name in own:
            owners.setdefault(plain_name(name), []).append(canonical)
    said = [f"a column is {names[0]} in one and {names[1]} in the other" for names in owners.values() if len(names) > 1]
    return [*said, *(["one has prices of units and the other of lines"] if {"price", "amount"} <= {*columns} else [])]
