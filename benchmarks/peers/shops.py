"""The shops that peers are compared on, and the questions that one moment of a shop asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from benchmarks.peers.inputs import Inputs, Scorer, inputs_of
from recsys.ranking import top_n
from recsys.settings import Settings
from recsys.settings.load import load_settings
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.item_stats import item_stats
from recsys.snapshot.store import content_hash
from recsys.types import Arrays, EventType, Mask, Rows
from simulator import make_shop, shop_settings
from training.evaluation.evaluate import TASKS, Examination, Task, examine
from training.evaluation.metrics import DEPTH, Values, per_user
from training.evaluation.split import Fold, owned_before, split

DAYS = 28
_BLOCK = 200
_SYNTHETIC_END = datetime(2026, 3, 1, tzinfo=UTC)
SYNTHETIC_USERS = 3_000


@dataclass(frozen=True)
class Shop:
    """A shop, the beginning of its test window, and how its settings are come by."""

    name: str
    at: datetime
    settings: Callable[[Path], Settings]

    def window(self, validation: bool) -> Fold:
        """The test window, or the validation window that ends where it begins."""
        return Fold(self.at - timedelta(days=DAYS * validation), DAYS)


def _example(name: str) -> Callable[[Path], Settings]:
    return lambda _out: load_settings(Path("examples", name, "settings.toml"))


def _synthetic(out: Path) -> Settings:
    folder = out / "peers-shop"
    make_shop(folder / "data", users=SYNTHETIC_USERS, end=_SYNTHETIC_END)
    (folder / "settings.toml").write_text(shop_settings())
    return load_settings(folder / "settings.toml")


SHOPS: Mapping[str, Shop] = {
    shop.name: shop
    for shop in (
        Shop("online_retail", datetime(2011, 11, 1, tzinfo=UTC), _example("online_retail")),
        Shop("completejourney", datetime(2017, 11, 15, tzinfo=UTC), _example("completejourney")),
        Shop("synthetic", _SYNTHETIC_END - timedelta(days=DAYS), _synthetic),
    )
}


@dataclass(frozen=True)
class Questions:
    """Questions of one window of a shop to everybody.

    inputs: all that a peer may read · tie_rank int32[n] and available bool[n] of the catalogue · users int32[u] rows of the users of
    `repeat`, -1 for those without an event before the window · owned: what a user had bought before.
    """

    examination: Examination
    inputs: Inputs
    tie_rank: Rows
    available: Mask
    users: Rows
    owned: dict[str, frozenset[int]]

    def warm(self, task: Task) -> Mask:
        """Return which users of a task have an event before the window; only they are counted, as in our own evaluation."""
        known = dict(zip(self.examination.truths["repeat"].users, self.users.tolist(), strict=True))
        return np.array([known[user] >= 0 for user in self.examination.truths[task].users], bool)

    def data(self) -> str:
        """Names what peers read of the time before the window, and what was bought in it."""
        events, truth = self.inputs.events, self.examination.truths["repeat"]
        known: Arrays = {"users": events.users, "items": events.items, "kinds": events.kinds, "times": events.times}
        bought: Arrays = {"offsets": truth.offsets, "items": truth.items, "sizes": truth.sizes}
        return content_hash({"events": known, "truth": bought}, self.inputs.as_of)

    def lists(self, scorer: Scorer) -> dict[Task, Rows]:
        """Each task's lists int32[u, 20]: available items, of equal scores the more recent first; `new` leaves out what is owned."""
        truths, n = self.examination.truths, self.inputs.n_items
        found = {task: np.full((len(truths[task]), DEPTH), -1, np.int32) for task in TASKS}
        place_of = {user: place for place, user in enumerate(truths["new"].users)}
        everything = np.arange(n, dtype=np.int32)
        asked = np.flatnonzero(self.users >= 0)
        for start in range(0, len(asked), _BLOCK):
            places = asked[start : start + _BLOCK]
            scores = np.ascontiguousarray(scorer(self.users[places]))
            scores[:, ~self.available] = np.nan
            for place, own in zip(places.tolist(), scores, strict=True):
                best = top_n(everything, own, self.tie_rank, DEPTH).items
                found["repeat"][place, : len(best)] = best
                user = truths["repeat"].users[place]
                if user not in place_of:
                    continue
                own[list(self.owned.get(user, ()))] = np.nan
                best = top_n(everything, own, self.tie_rank, DEPTH).items
                found["new"][place_of[user], : len(best)] = best
        return found

    def measure(self, scorer: Scorer) -> dict[Task, dict[str, Values]]:
        """Each task's metrics, one value per user."""
        truths = self.examination.truths
        return {task: per_user(lists, truths[task], self.inputs.n_items) for task, lists in self.lists(scorer).items()}

    @property
    def other_events(self) -> bool:
        """Tell whether the shop knows of anything but purchases that has a weight."""
        kinds = self.inputs.events.kinds
        return bool(((kinds != EventType.PURCHASE) & (self.inputs.weights[kinds] > 0)).any())


def ask(settings: Settings, fold: Fold) -> Questions:
    """Read a shop up to a window and set its questions.

    Raises:
        DataError: if a table cannot be read or is too wrong.
    """
    cut = split(settings, fold, now=fold.until)
    prepared, examination = cut.prepared, examine(cut, settings.evaluation, settings.seed)
    catalog = Catalog(prepared.base)
    declared = prepared.base["told_replenishable"].astype(np.int8)
    facts = item_stats(prepared.events, catalog, declared, settings.behaviour, prepared.as_of)
    row_of = {user: row for row, user in enumerate(prepared.user_ids)}
    users = np.array([row_of.get(user, -1) for user in examination.truths["repeat"].users], np.int32)
    return Questions(
        examination,
        inputs_of(
            prepared.events, len(prepared.user_ids), catalog.n_items, prepared.as_of, settings.behaviour, settings.seed
        ),
        facts["tie_rank"].astype(np.int32),
        catalog.available,
        users,
        owned_before(prepared.events, prepared.user_ids, prepared.user_ids),
    )
