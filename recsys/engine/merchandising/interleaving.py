"""Team-draft interleaving: one list of two rankings, in which each item belongs to the ranking that picked it.

Radlinski, Kurup, Joachims, "How Does Clickthrough Data Reflect Retrieval Quality?" (CIKM 2008). In each round the two rankings pick in
an order that a coin decides, each its best item that is not in the list yet; clicks and orders credit the one that picked. The coins
are drawn from a seed, so that the same query gives the same list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

import numpy as np
from msgspec import structs

from recsys.clock import DAY
from recsys.engine.merchandising.plans import one_kind
from recsys.types import Query, Rows, Slate

NOTICE = "interleaving: the list is of two rankings, which pick in turns"


class Interleaved(NamedTuple):
    """Places of the list, best first: the item, and which ranking picked it (0 or 1)."""

    items: tuple[int, ...]
    teams: tuple[int, ...]


def interleave(first: Slate, second: Slate, groups: Rows, query: Query, leaves: Rows | None = None) -> Slate:
    """Interleave two answers to one query; variants of one group, `groups` int32[items] (-1: of none), count as one item. One category
    of `leaves` int32[items] does not fill the list, if the answers have an item of another.

    The coins are the shopper's for a day: the list does not change with each click.
    """
    slates = (first, second)
    places = [{_kind(row, groups): at for at, row in enumerate(slate.items)} for slate in slates]
    drafted = team_draft(list(places[0]), list(places[1]), query.limit, _seed(query))
    if leaves is not None:
        drafted = _with_another_last(drafted, slates, places, leaves)
    picked = [(slates[team], places[team][kind]) for kind, team in zip(drafted.items, drafted.teams, strict=True)]
    return structs.replace(
        first,
        personalized=first.personalized or second.personalized,
        fallback=first.fallback or second.fallback,
        notices=(*first.notices, NOTICE),
        experiments=tuple(dict.fromkeys((*first.experiments, *second.experiments))),
        items=tuple([slate.items[at] for slate, at in picked]),
        scores=tuple([slate.scores[at] for slate, at in picked]),
        reasons=tuple([slate.reasons[at] for slate, at in picked]),
        sources=tuple([slate.sources[at] for slate, at in picked]),
        teams=drafted.teams,
    )


def _with_another_last(
    drafted: Interleaved, slates: Sequence[Slate], places: Sequence[Mapping[int, int]], leaves: Rows
) -> Interleaved:
    """A draft that one leaf category fills, the last item replaced by the best that a ranking has of another one and so picked."""
    rows = [slates[team].items[places[team][kind]] for kind, team in zip(drafted.items, drafted.teams, strict=True)]
    if not one_kind(np.array(rows, np.int32), leaves):
        return drafted
    others = [
        (place, team != drafted.teams[-1], kind, team)
        for team, of_team in enumerate(places)
        for kind, place in of_team.items()
        if leaves[slates[team].items[place]] != leaves[rows[0]] and kind not in drafted.items
    ]
    if not others:
        return drafted
    _, _, kind, team = min(others)
    return Interleaved((*drafted.items[:-1], kind), (*drafted.teams[:-1], team))


def _kind(row: int, groups: Rows) -> int:
    """A number that all items of a group have, and no other item."""
    group = int(groups[row])
    return -1 - group if group >= 0 else row


def _seed(query: Query) -> str:
    return f"interleave/{query.now // DAY}/{query.user_id or ''}/{query.placement}"


def team_draft(first: Sequence[int], second: Sequence[int], limit: int, seed: str) -> Interleaved:
    """Interleave two rankings of distinct items into a list of at most `limit`."""
    rankings = (first, second)
    items: list[int] = []
    teams: list[int] = []
    taken: set[int] = set()
    reached = [0, 0]
    for coin in _coins(seed):
        for team in (coin, 1 - coin):
            ranking = rankings[team]
            while reached[team] < len(ranking) and ranking[reached[team]] in taken:
                reached[team] += 1
            if len(items) < limit and reached[team] < len(ranking):
                taken.add(ranking[reached[team]])
                items.append(ranking[reached[team]])
                teams.append(team)
        if len(items) >= limit or all(taken.issuperset(ranking) for ranking in rankings):
            return Interleaved(tuple(items), tuple(teams))
    raise AssertionError  # coins do not end


def _coins(seed: str) -> Iterator[int]:
    """0 or 1, without end: the bits of SHA-256 over the seed and a number."""
    number = 0
    while True:
        for byte in sha256(f"{seed}\n{number}".encode()).digest():
            for bit in range(8):
                yield byte >> bit & 1
        number += 1
