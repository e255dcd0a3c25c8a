"""Placements: what a list shows to any shopper at any time, on one snapshot or on two, and what each rule does for whom."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from recsys.engine.pipeline import pick_rule, resolve_query
from recsys.engine.serving_state import ServingState
from recsys.settings.placements import Rule
from recsys.web.console.lists import Shown, list_query, one_list, stands_beside_items
from recsys.web.console.older import OlderSnapshot
from recsys.web.console.page import Cell, Link, Page, Table, View, Visit, given_id
from recsys.web.console.render import conditions

DRAWN = 200
"""Shoppers that are drawn to see what each rule does."""


class PlacementsParameters(View, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Query string of the page: one placement (none: all of them), for whom, as of when, beside what, and on which other snapshot."""

    placement: str = ""
    user_id: str = ""
    now: str = ""
    about: str = ""
    version: str = ""


class Placements:
    """The page; an earlier snapshot stays open for the next look."""

    def __init__(self, older: OlderSnapshot) -> None:
        self._older = older

    def view(self, visit: Visit[PlacementsParameters]) -> Mapping[str, Any]:
        """Preview one placement, or list all of them."""
        serving, asked = visit.serving(), visit.parameters
        user_id, about = given_id("user_id", asked.user_id), given_id("about", asked.about)
        now = visit.now(serving, asked.now)
        shown: dict[str, Any] = {
            "names": serving.engine.settings.placement_names(),
            "versions": self._older.versions(),
            "lists": [],
            "same": None,
            "beside": False,
            "rules": (),
        }
        if not asked.placement:
            return {**shown, "tables": {"placements": _all_placements(visit, serving)}}
        placement = serving.engine.placement(asked.placement)
        sides = [serving]
        if asked.version and asked.version != serving.engine.snapshot.version:
            sides.append(self._older.serving(asked.version))
        lists = [_side(each, asked.placement, user_id, now, about) for each in sides]
        return {
            **shown,
            "title": asked.placement.replace("_", " ").capitalize(),
            "lists": lists,
            "same": _in_both(lists) if len(lists) > 1 else None,
            "beside": stands_beside_items(placement),
            "chain": placement.fallback,
            "tables": {"rules": _rules(visit, serving, asked.placement, now)},
        }


def placements_page(older: OlderSnapshot) -> Page[PlacementsParameters]:
    """The page."""
    return Page(
        path="/placements",
        title="Placements",
        nav="Placements",
        template="placements.html",
        parameters=PlacementsParameters,
        view=Placements(older).view,
    )


def _side(serving: ServingState, placement: str, user_id: str, now: int, about: str) -> Shown:
    return {**one_list(serving, placement, user_id, now, about), "version": serving.engine.snapshot.version}


def _in_both(lists: Sequence[Shown]) -> int:
    one, other = ({item["item_id"] for item in each["items"]} for each in lists)
    return len(one & other)


def _all_placements(visit: Visit[Any], serving: ServingState) -> Table:
    rows: list[Sequence[Cell]] = []
    for name in serving.engine.settings.placement_names():
        placement = serving.engine.placement(name)
        rules = ", ".join(rule.name.replace("_", " ") for rule in placement.rules)
        fallback = ", ".join(each.replace("_", " ") for each in placement.fallback)
        link = Link(name.replace("_", " "), visit.href("placements", placement=name))
        rows.append((link, placement.limit, rules, fallback or "none", placement.bought.replace("_", " ")))
    return Table(
        name="placements",
        title="All placements",
        columns=("placement", "items", "rules, the first that holds leads", "fallback", "what the shopper owns"),
        rows=rows,
    )


def _rules(visit: Visit[Any], serving: ServingState, placement: str, now: int) -> Table:
    shares, asked = _who_leads(visit, serving, placement, now)
    rules = [
        (
            rule.name,
            conditions(msgspec.structs.asdict(rule.when)),
            _who_answers(rule),
            shares[rule.name],
        )
        for rule in serving.engine.placement(placement).rules
    ]
    rows = [(name.replace("_", " "), when, who, count / asked if asked else None) for name, when, who, count in rules]
    if shares[""]:
        rows.append(("none holds", "", "the fallback chain", shares[""] / asked))
    return Table(
        name="rules",
        title=f"What each rule does, for {asked:,} shoppers drawn from the snapshot",
        columns=("rule", "leads if", "who answers", "leads for"),
        rows=rows,
        shares=frozenset((3,)),
    )


def _who_leads(visit: Visit[Any], serving: ServingState, placement: str, now: int) -> tuple[Counter[str], int]:
    """Rule = for how many of the drawn shoppers it leads (empty: none does), and how many were drawn."""
    engine, users = serving.engine, serving.engine.snapshot.histories.users
    rows = random.Random(engine.settings.seed).sample(range(len(users)), min(DRAWN, len(users)))
    found: Counter[str] = Counter()
    for row in rows:
        visit.service.lanes.give_way()
        user_id = users.text(row)
        query = list_query(serving, placement, user_id, now)
        rule, _ = pick_rule(engine, resolve_query(engine, query, serving.history(user_id)))
        found[rule.name if rule else ""] += 1
    return found, len(rows)


def _who_answers(rule: Rule) -> str:
    alone, found = (
        len(rule.recommenders) == 1 and not rule.blend,
        ["the shopper's segment of the blend"] if rule.blend else [],
    )
    for name, weight in rule.recommenders.items():
        found.append(name.replace("_", " ") + ("" if alone else f" (weight {weight:g})"))
    ordered = ", ordered by the blend" if found and rule.order == "blend" and not rule.blend else ""
    return ", ".join(found) + ordered or "the fallback chain"
