"""Erasure of people who share a device: each loses what was done while it was theirs, and nobody gets it instead.

Answers and training say the same, whatever happened in whatever order, and wherever between it a snapshot was made.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.clock import MINUTE
from recsys.engine.pipeline import Engine
from recsys.engine.serving_state import ServingState
from recsys.live.databases import log_in
from recsys.live.erasure import Erased, ErasureKeys
from recsys.live.log import EventLog
from recsys.tables.shop import read_shop
from recsys.types import Event, Link
from tests.conftest import NOW, Shop, busy_events, micros
from tests.support.shops.handmade import calm
from training.job.job import learn, prepare

KEYS = ErasureKeys(["forget-secret-of-at-least-32-characters"])
USERS, DEVICES = ("anna", "ben", "carl"), ("tablet", "phone")
STEPS = st.one_of(
    st.tuples(st.just("view"), st.sampled_from((*USERS, *DEVICES, *DEVICES)), st.integers(0, 3)),
    st.tuples(st.just("link"), st.sampled_from(USERS), st.sampled_from(range(len(DEVICES)))),
    st.tuples(st.just("forget"), st.sampled_from((*USERS, *DEVICES)), st.just(0)),
    st.tuples(st.just("train"), st.just(""), st.just(0)),
)
_logs = count()


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop whose tables know none of them."""
    shop = Shop(tmp_path_factory.mktemp("shared"), busy_events())
    shop.write()
    return shop


@cache
def _before(shop_folder: Path) -> Engine:
    """The shop from before anything happened."""
    shop = Shop(shop_folder)
    return histories_of(shop, NOW)


def histories_of(shop: Shop, moment: datetime) -> Engine:
    """A shop as it is trained at a moment, without recommenders: what happened is in the histories."""
    prepared = prepare(shop.settings, now=moment, erasure_keys=KEYS)
    return Engine(learn(prepared, shop.settings, now=moment, asked=()).snapshot(), shop.settings)


class Told:
    """What happened, minute by minute, in a log of its own; with a worker that looks when it is asked."""

    def __init__(self, shop: Shop, folder: str) -> None:
        self.shop = shop
        self.shop.toml = f'{shop.toml.partition("[state]")[0]}[state]\nfolder = "{folder}"\n'
        self.state: EventLog = log_in(Path(shop.folder, folder))
        self.minute = 0
        self.serving = ServingState(_before(shop.folder), self.state, KEYS)

    @property
    def now(self) -> int:
        """The moment of this step."""
        return micros(NOW) + self.minute * MINUTE

    def train(self) -> None:
        """Make a snapshot that knows everything so far, and serve it."""
        moment = NOW + timedelta(minutes=self.minute)
        self.serving = ServingState(histories_of(self.shop, moment), self.state, KEYS)

    def step(self, what: str, who: str, number: int) -> None:
        """Let one thing happen."""
        self.minute += 1
        if what == "view":  # some arrive late
            made = Event(
                event_id=f"e{self.minute}",
                user_id=who,
                event_type="view",
                timestamp=self.now - 3 * number * MINUTE,
                item_id="bag-1",
            )
            self.state.add_events([made], self.now)
        elif what == "link":
            self.state.add_links([Link(DEVICES[number], who, self.now)], self.now)
        elif what == "forget":
            self.serving.catch_up()
            theirs = [
                Erased(KEYS.sign(each.anonymous_id), each.anonymous_id, each.since, each.until)
                for each in self.serving.periods_of(who)
            ]
            self.state.forget(theirs, self.now)
        else:
            self.train()

    def answered(self) -> dict[str, list[int]]:
        """The minutes of what each user did, as answers know it."""
        self.serving.catch_up()
        return {user: [self.of(at) for at in self.serving.history(user).times.tolist()] for user in USERS}

    def trained(self) -> dict[str, list[int]]:
        """The same as the next training will know it."""
        found = (
            read_shop(self.shop.settings, erasure_keys=KEYS)
            .events.select("user_id", "timestamp")
            .collect()
            .sort("timestamp")
        )
        return {user: [self.of(micros(at)) for name, at in found.rows() if name == user] for user in USERS}

    def of(self, moment: int) -> int:
        """The minute of a moment."""
        return (moment - micros(NOW)) // MINUTE


@pytest.mark.long
@settings(calm, max_examples=25)
@given(st.lists(STEPS, max_size=14))
def test_answers_and_training_say_the_same(busy: Shop, steps: list[tuple[str, str, int]]) -> None:
    """Whoever is forgotten of people who share devices, with whatever arrives late, and wherever a snapshot was made."""
    stated = Told(busy, f"log-{next(_logs)}")
    for step in steps:
        stated.step(*step)
    assert stated.answered() == stated.trained()


SHARED = (
    ("view", "tablet", 0),  # minute 1: before the first link, so Anna's
    ("link", "anna", 0),
    ("view", "tablet", 0),  # 3: Anna's
    ("link", "ben", 0),
    ("view", "tablet", 0),  # 5: Ben's
)


def happened(busy: Shop, *more: tuple[str, str, int]) -> dict[str, list[int]]:
    """What is known of each user in the end, in answers and in training."""
    stated = Told(busy, f"log-{next(_logs)}")
    for step in (*SHARED, *more):
        stated.step(*step)
    assert stated.answered() == stated.trained()
    return stated.answered()


@pytest.mark.long
@pytest.mark.parametrize("trained", [(), (("train", "", 0),)], ids=["live", "folded in"])
def test_the_next_one_on_a_shared_device_keeps_what_is_theirs(busy: Shop, trained: tuple[tuple[str, str, int], ...]) -> None:
    """Anna is forgotten: what the tablet did before Ben had it is nobody's, what it does since is Ben's."""
    assert happened(busy, *trained) == {"anna": [1, 3], "ben": [5], "carl": []}
    assert happened(busy, *trained, ("forget", "anna", 0))["ben"] == [5]
    assert happened(busy, *trained, ("forget", "anna", 0), ("view", "tablet", 0))["ben"][-1] in (7, 8)


@pytest.mark.parametrize("trained", [(), (("train", "", 0),)], ids=["live", "folded in"])
def test_the_one_before_does_not_get_it_back(busy: Shop, trained: tuple[tuple[str, str, int], ...]) -> None:
    """Ben, who has the tablet, is forgotten: what it does from then on is not Anna's, but the next one's."""
    forgotten = (*trained, ("forget", "ben", 0), ("view", "tablet", 0))
    assert happened(busy, *forgotten) == {"anna": [1, 3], "ben": [], "carl": []}
    later = happened(busy, *forgotten, ("link", "carl", 0), ("view", "tablet", 0))
    assert (later["anna"], later["ben"], len(later["carl"])) == ([1, 3], [], 1)


def test_what_arrives_late_of_somebody_forgotten_is_nobodys(busy: Shop) -> None:
    """An event of the tablet from the time when it was Anna's reaches the log after she was forgotten."""
    assert happened(busy, ("forget", "anna", 0), ("view", "tablet", 1)) == {"anna": [], "ben": [4, 5], "carl": []}
    assert happened(busy, ("forget", "anna", 0), ("view", "tablet", 2))["ben"] == [5]


def test_a_device_that_is_forgotten_itself_has_no_past(busy: Shop) -> None:
    """Who asks for the device's own id to be forgotten means all of it, whoever had it."""
    assert happened(busy, ("forget", "tablet", 0), ("view", "tablet", 0)) == {"anna": [], "ben": [], "carl": []}
