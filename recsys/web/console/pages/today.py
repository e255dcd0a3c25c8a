"""Today: whether all is well, what shoppers did with the lists, and what serves them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recsys.clock import DAY, SECOND
from recsys.engine.serving_state import ServingState
from recsys.web.console.activity import STOP_HOURS, UNNAMED, Activity, PlacementActivity
from recsys.web.console.page import Cell, Link, Page, Table, View, Visit
from recsys.web.console.render import time_text
from recsys.web.console.snapshots import Training, trainings
from recsys.web.console.traffic import Traffic, traffic

SPANS = ((24, "24 hours"), (28 * 24, "28 days"))
MAX_ROUTES = 100


class Today:
    """The first page; `activity` counts on from visit to visit."""

    def __init__(self, activity: Activity) -> None:
        self._activity = activity

    def view(self, visit: Visit[View]) -> Mapping[str, Any]:
        """Sum everything up."""
        service, live = visit.service, visit.service.live
        serving = live.serving() if live.loaded else None
        now, figures = live.now(serving), traffic(service.metrics.samples())
        self._activity.catch_up(service.lanes.give_way)
        past = trainings(service.settings.artifacts)
        current = next((each for each in past if each.current), None)
        return {
            "now": now,
            "figures": figures,
            "alarms": self._alarms(visit, serving, figures, now),
            "current": current,
            "age": None if serving is None else (now - serving.engine.snapshot.as_of) / SECOND,
            "since": self._activity.since,
            "tables": {
                "placements": _placements(figures),
                **{f"activity_{hours}": self._happened(now, hours, name) for hours, name in SPANS},
                "calls": _calls(figures),
                "trainings": _trainings(visit, past),
            },
        }

    def _alarms(self, visit: Visit[View], serving: ServingState | None, figures: Traffic, now: int) -> list[str]:
        """Return what needs a look, in sentences."""
        live, settings = visit.service.live, visit.service.settings
        found = []
        if serving is None:
            found.append("No snapshot is loaded: no list can be answered. Train, or roll back.")
        elif settings.web.clock == "wall" and now - serving.engine.snapshot.as_of > settings.gate.oldest_days * DAY:
            found.append(
                f"The snapshot is older than {settings.gate.oldest_days:g} days: training has stopped, or is refused."
            )
        if live.error:
            found.append(f"The newest snapshot is not taken live: {_without_folder(visit, live.error)}")
        if figures.errors:
            found.append(f"{figures.errors:,} calls ended in an unexpected error; the service's log has them.")
        if figures.unlogged:
            found.append(f"{figures.unlogged:,} slates found the log of slates too slow, and were not logged.")
        for each in self._activity.stopped(now):
            kind = each.event_type.replace("_", " ")
            found.append(
                f"No {kind} came in the last {STOP_HOURS} hours; there were {each.before:,} in the same hours of the day before."
            )
        return found

    def _happened(self, now: int, hours: int, name: str) -> Table:
        found = self._activity.by_placement(now, hours)
        return Table(
            name=f"clicks-{hours}h",
            title=f"Clicks and orders, last {name}",
            columns=("placement", "items shown", "clicked", "of those shown", "bought after a click", "of those clicked"),
            rows=[_activity_row(each) for each in found],
            shares=frozenset((3, 5)),
            empty="No impression or click was sent in this time.",
        )


def today_page(activity: Activity) -> Page[View]:
    """The page."""
    return Page(path="/", title="Today", nav="Today", template="today.html", parameters=View, view=Today(activity).view)


def _activity_row(each: PlacementActivity) -> Sequence[Cell]:
    name = "not named" if each.placement == UNNAMED else each.placement.replace("_", " ")
    return (name, each.shown, each.clicked, _share(each.clicked, each.shown), each.bought, _share(each.bought, each.clicked))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _placements(figures: Traffic) -> Table:
    return Table(
        name="placements",
        title="Lists answered",
        columns=("placement", "lists", "filled up by a fallback", "short of items"),
        rows=[(each.placement.replace("_", " "), each.lists, each.fallback, each.short) for each in figures.placements],
        shares=frozenset((2, 3)),
        empty="No list was asked for since the service started.",
    )


def _calls(figures: Traffic) -> Table:
    return Table(
        name="calls",
        title="Calls",
        columns=("call", "answers", "refused (4xx)", "failed (5xx)", "median ms", "95 % within ms"),
        rows=[
            (each.route, each.requests, each.refused, each.failed, _ms(each.p50), _ms(each.p95))
            for each in figures.routes[:MAX_ROUTES]
        ],
    )


def _ms(seconds: float | None) -> float | str:
    return "over 1,000" if seconds is None else round(seconds * 1000, 1)


def _trainings(visit: Visit[View], past: Sequence[Training]) -> Table:
    return Table(
        name="trainings",
        title="Trainings",
        columns=("snapshot", "events up to (UTC)", "shoppers", "items", "events", "NDCG@10", "gate", "minutes"),
        rows=[_training_row(visit, each) for each in past],
        empty="Nothing is published yet.",
    )


def _training_row(visit: Visit[View], each: Training) -> Sequence[Cell]:
    if each.manifest is None:
        return (each.name, None, None, None, None, None, each.error, None)
    counts = each.manifest.counts
    return (
        Link(each.name, visit.href("placements", version=each.version)),
        time_text(each.manifest.as_of),
        *(counts.get(key) for key in ("users", "items", "events")),
        None if each.ndcg is None else f"{each.ndcg:.4f}",
        each.gate.outcome if each.gate else "none",
        None if each.minutes is None else round(each.minutes, 1),
    )


def _without_folder(visit: Visit[View], text: str) -> str:
    return text.replace(str(visit.service.settings.artifacts), "artifacts")
