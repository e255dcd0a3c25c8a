"""Moments: who is due now by kind; looking writes nothing down and notifies nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recsys.engine.serving_state import ServingState
from recsys.moments.kinds import KINDS
from recsys.settings.moments import MomentKind
from recsys.web.console.page import Cell, Link, Page, Table, View, Visit
from recsys.web.http.problems import Problem

LOOKED_AT = 300
"""Most candidates of one kind that a page looks at, those who were quiet longest first."""
AT_ONCE = 50


class MomentsParameters(View, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Query string of the page: one kind (none: all of them)."""

    kind: str = ""


def moments(visit: Visit[MomentsParameters]) -> Mapping[str, Any]:
    """Count candidates by kind, or look at those of one kind."""
    serving, kinds = visit.serving(), visit.service.settings.moments.kinds
    kind, now = visit.parameters.kind, visit.now(serving)
    shown: dict[str, Any] = {"now": now, "kinds": kinds, "kind": kind}
    if not kind:
        return {**shown, "tables": {"kinds": _all_kinds(visit, serving, now)}}
    if kind not in kinds:
        raise Problem(404, f"kind: {kind!r} is not among the moments that are on: {', '.join(kinds)}", parameter="kind")
    rows, candidates = _due(visit, serving, kind, now)
    words = kind.replace("_", " ")
    return {
        **shown,
        "title": f"Moments: {words}",
        "summary": KINDS[kind].summary,
        "candidates": candidates,
        "looked_at": min(candidates, LOOKED_AT),
        "tables": {
            "due": Table(
                name="due",
                title=f"Due now: {words}",
                columns=("shopper", "state"),
                rows=rows,
                paged=True,
                empty="Nobody of those who were looked at is due.",
            )
        },
    }


def _all_kinds(visit: Visit[MomentsParameters], serving: ServingState, now: int) -> Table:
    finder, rows = visit.service.finder(serving), []
    for kind in visit.service.settings.moments.kinds:
        visit.service.lanes.give_way()
        link = Link(kind.replace("_", " "), visit.href("moments", kind=kind))
        rows.append((link, KINDS[kind].summary, len(finder.candidates(kind, now))))
    return Table(
        name="kinds",
        title="Kinds that are on, the most urgent first",
        columns=("moment", "the shopper", "worth a look now"),
        rows=rows,
    )


def _due(
    visit: Visit[MomentsParameters], serving: ServingState, kind: MomentKind, now: int
) -> tuple[Sequence[Sequence[Cell]], int]:
    """Find who is due or kept back, and how many candidates there are."""
    finder = visit.service.finder(serving)
    users = finder.candidates(kind, now)
    rows: list[Sequence[Cell]] = []
    for start in range(0, min(len(users), LOOKED_AT), AT_ONCE):
        visit.service.lanes.give_way()
        some = users[start : min(start + AT_ONCE, LOOKED_AT)]
        looks = finder.look(kind, some, now, max_n=0)
        for user_id, look in zip(some, looks, strict=True):
            if look.why in ("unlooked", "later"):
                state = "due" if look.why == "unlooked" else "kept back by another message"
                rows.append((Link(user_id, visit.href("shopper", user_id=user_id)), state))
    return rows, len(users)


PAGE = Page(
    path="/moments",
    title="Moments",
    nav="Moments",
    template="moments.html",
    parameters=MomentsParameters,
    view=moments,
)
