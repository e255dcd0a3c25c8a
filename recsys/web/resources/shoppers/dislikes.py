"""Dislikes among the events of a request: what a shopper does not want to see, and takes back."""

from __future__ import annotations

from recsys.clock import DAY
from recsys.engine.serving_state import ServingState
from recsys.live.dislikes import Dislike, Hides
from recsys.snapshot.catalog import Catalog
from recsys.web.http.bodies import DISLIKE, UNDO, EventRow
from recsys.web.http.problems import invalid
from recsys.web.serving.live import Live


class DislikeReader:
    """Reads the rows of one request that say no to something, or take it back; `serving` is what the request looked at, None where no
    snapshot is loaded."""

    def __init__(self, live: Live, serving: ServingState | None) -> None:
        self._serving, self._live, self._days = serving, live, live.dislike_days

    def read(self, row: EventRow, user_id: str, at: int) -> Dislike | None:
        """Read a row of a user, said at a moment (microseconds); None: it is an event like the others.

        Raises:
            Problem: 400, naming the member; 503 while no snapshot is loaded that knows the item's brand and category.
        """
        hides: Hides = row.hides or "item"
        if row.event_type not in (DISLIKE, UNDO):
            if row.hides:
                raise invalid("hides", row.hides, f"with the event_type {DISLIKE} or {UNDO}", "is of no such event")
            return None
        item_id = row.item_id or ""
        serving = self._serving
        value = (
            item_id if hides == "item" else hidden_value((serving or self._live.serving()).engine.catalog, hides, item_id)
        )
        return Dislike(user_id, hides, value, at, at if row.event_type == UNDO else at + round(self._days * DAY))


def hidden_value(catalog: Catalog, hides: Hides, item_id: str) -> str:
    """Find what is hidden with an item: itself, its brand or its leading category.

    Raises:
        Problem: 400, naming the member, if the catalogue does not know it.
    """
    if hides == "item":
        return item_id
    row = catalog.row(item_id)
    if row < 0:
        raise invalid("item_id", item_id, f"an item of the catalogue, whose {hides} is meant", "is not in the catalogue")
    codes, names = (catalog.brand, catalog.brands) if hides == "brand" else (catalog.category, catalog.categories)
    if codes[row] < 0:
        raise invalid("hides", hides, "item", f"cannot be told of {item_id!r}, which has no {hides}")
    return names.text(int(codes[row]))
