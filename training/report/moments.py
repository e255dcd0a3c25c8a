"""The report's section on offers: the share of people due for one who bought anyway, without it (docs/moments.md)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.clock import DAY, HOUR
from recsys.engine.pipeline import Engine
from recsys.moments.context import TriggerContext, UserContext
from recsys.moments.rules import offer
from recsys.snapshot.people import NOBODY
from recsys.types import EventType, History

WINDOW_DAYS = 28
"""Days whose offers are looked at."""
BOUGHT_DAYS = 14
"""Days after an offer in which a purchase counts."""


@dataclass(frozen=True)
class Leakage:
    """Of the offers that would have been due in `WINDOW_DAYS` days: how many, and of how many somebody bought in the
    `BOUGHT_DAYS` days after all the same, so that an offer would have given its discount away."""

    due: int
    bought: int
    window_days: int = WINDOW_DAYS
    bought_days: int = BOUGHT_DAYS

    @property
    def share(self) -> float:
        """The share of them."""
        return self.bought / self.due


def estimate_leakage(engine: Engine, now: int) -> Leakage | None:
    """Replay the rule of offers over the snapshot's histories up to `now` (microseconds); None: nobody was due.

    The days looked at are the last that the purchases after them are known of. The shop's consents do not matter.
    """
    histories, until = engine.snapshot.histories, now - BOUGHT_DAYS * DAY
    customers = np.flatnonzero(histories.order_count > 0).tolist()
    found = [bought for row in customers for bought in _offers(engine, histories.at(row), until)]
    return Leakage(len(found), sum(found)) if found else None


def _offers(engine: Engine, history: History, until: int) -> list[bool]:
    """Tell whether there was a purchase after each offer that one shopper was due for."""
    waited = int(engine.settings.moments.offer_hours[0] * HOUR)
    quiet = np.append(np.diff(history.times), np.iinfo(np.int64).max) > waited
    due_at = history.times[quiet] + waited
    due_at = due_at[(due_at > until - WINDOW_DAYS * DAY) & (due_at <= until)]
    bought = history.times[history.kinds == EventType.PURCHASE]
    offers = [
        moment for moment in due_at.tolist() if any(offer(UserContext("", NOBODY, history, TriggerContext(engine, moment))))
    ]
    return [bool(((bought > moment) & (bought <= moment + BOUGHT_DAYS * DAY)).any()) for moment in offers]
