"""A clock that jumps while the service runs: nothing is dated by it, and it is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.clock import DAY, HOUR, SECOND
from recsys.web.app import Application, create_app
from recsys.web.http.problems import ClockError
from recsys.web.serving.steady_clock import LARGEST_CORRECTION, LONGEST_SILENCE, SteadyClock, moment_of_erasure
from tests.conftest import NOW, Shop, ago, busy_events, event, micros
from tests.support.servers.intake import EVENTS, EVENTS_KEY
from tests.support.servers.serving import ADMIN, ENVIRONMENT, MESSAGES_KEY, READ, bearer

YEARS = 10 * 365 * DAY
SECRETS = {"RECSYS_KEYS_EVENTS": EVENTS_KEY, "RECSYS_FORGET_SECRETS": "forget-secret-of-at-least-32-characters"}
VIEW = {"events": [{"user_id": "ana", "event_type": "view", "item_id": "sofa-1"}]}
LINK = {"identities": [{"anonymous_id": "browser", "user_id": "ana"}]}
STOCK = {"items": [{"item_id": "sofa-1", "stock": 3}]}
SEND = {"placement": "home", "limit": 3, "expires_at": "2199-01-01T00:00:00Z"}
CAMPAIGN = {"placements": ["home"], "actions": [{"pin": {"item_id": "sofa-1", "place": 1}}]}


@dataclass
class Times:
    """A wall clock and a count of what has passed, set by hand (microseconds)."""

    wall: int = micros(NOW)
    passed: int = 0

    def clock(self) -> SteadyClock:
        """A clock that reads them."""
        return SteadyClock(lambda: self.wall, lambda: self.passed)


@given(st.lists(st.tuples(st.integers(0, DAY), st.integers(-LARGEST_CORRECTION, LARGEST_CORRECTION)), max_size=20))
def test_corrections_are_followed(steps: list[tuple[int, int]]) -> None:
    """However much time passes, a wall clock that is set by no more than an hour is believed."""
    times = Times()
    clock = times.clock()
    for passed, correction in steps:
        times.passed += passed
        times.wall += passed + correction
        assert (clock.now(), clock.trusted(), clock.jump()) == (times.wall, times.wall, 0)


@pytest.mark.parametrize(
    ("jump", "said"), [(YEARS, "3,650 days ahead"), (-YEARS, "3,650 days back"), (2 * HOUR, "2 hours ahead")]
)
def test_a_jump_is_no_time(jump: int, said: str) -> None:
    """After a jump the time goes on as if there was none, what is dated is refused, and a clock set right is believed again."""
    times = Times()
    clock = times.clock()
    times.wall, times.passed = times.wall + jump + SECOND, SECOND
    assert (clock.now(), clock.jump()) == (micros(NOW) + SECOND, jump)
    with pytest.raises(ClockError, match=f"jumped {said}.*set it right, or restart the service"):
        clock.trusted()
    times.wall -= jump
    assert clock.trusted() == micros(NOW) + SECOND


def test_an_erasure_covers_what_is_known_and_not_what_comes() -> None:
    """A clock that is behind erases up to the newest event all the same; one that started years ahead erases nobody."""
    newest = micros(NOW)
    assert moment_of_erasure(newest + HOUR, newest) == newest + HOUR
    assert moment_of_erasure(newest - YEARS, newest) == newest
    with pytest.raises(ClockError, match=r"the clock says 2036-03-28, .* of 2026-03-31, so nobody is erased"):
        moment_of_erasure(newest + YEARS, newest)
    assert moment_of_erasure(newest + LONGEST_SILENCE, newest) == newest + LONGEST_SILENCE


@pytest.fixture
def app(tmp_path: Path) -> Application:
    """A service that keeps the wall clock."""
    shop = Shop(tmp_path, [*busy_events(), event("ana", "sofa-1", at=ago(minutes=5))])
    shop.toml = shop.toml.split("[web]")[0] + '[web]\nclock = "wall"\n'
    shop.publish()
    return create_app(shop.settings, ENVIRONMENT | SECRETS)


CALLS: dict[str, tuple[str, str, Any, dict[str, str]]] = {
    "events": ("POST", "/v1/events", VIEW, EVENTS),
    "identities": ("POST", "/v1/identities", LINK, EVENTS),
    "items": ("PATCH", "/v1/items", STOCK, EVENTS),
    "erasure": ("DELETE", "/v1/users/ana", None, ADMIN),
    "sends": ("PUT", "/v1/sends/spring", SEND, bearer(MESSAGES_KEY)),
    "campaigns": ("PUT", "/v1/campaigns/spring", CAMPAIGN, ADMIN),
    "moments": ("GET", "/v1/moments/cart", None, bearer(MESSAGES_KEY)),
}


def test_nothing_is_dated_by_a_clock_that_jumped(app: Application) -> None:
    """Ten years ahead every call that writes is refused in words, pages go on, /readyz tells, and nobody is unreachable afterwards."""
    times, web = Times(), app.test_client()
    app.service.live.clock = times.clock()
    times.wall += YEARS
    before = app.service.live.state.last()
    for name, (method, path, body, headers) in CALLS.items():
        answer = web.open(path, method=method, json=body, headers=headers)
        assert (name, answer.status_code) == (name, 503)
        assert "jumped 3,650 days ahead" in answer.get_json()["detail"]
    assert app.service.live.state.last() == before
    assert web.get("/v1/users/ana/recommendations", headers=READ).status_code == 200
    ready = web.get("/readyz")
    assert ready.status_code == 200
    assert "jumped 3,650 days ahead" in ready.get_json()["error"]
    times.wall -= YEARS
    assert web.delete("/v1/users/ana", headers=ADMIN).status_code == 200
    times.wall, times.passed = times.wall + SECOND, SECOND
    assert web.post("/v1/events", json=VIEW, headers=EVENTS).get_json()["accepted"] == 1
    assert len(app.service.live.serving().history("ana")) == 1


def test_nobody_is_erased_by_a_clock_that_was_wrong_from_the_start(app: Application) -> None:
    """A service that starts ten years ahead of all that it knows refuses to erase, and says what to do."""
    app.service.live.clock = Times(wall=micros(NOW) + YEARS).clock()
    answer = app.test_client().delete("/v1/users/ana", headers=ADMIN)
    assert answer.status_code == 503
    assert "so nobody is erased; set the clock right" in answer.get_json()["detail"]
    assert app.service.live.state.tombstones() == []
