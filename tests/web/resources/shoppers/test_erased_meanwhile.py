"""Nothing is left of a shopper who is forgotten by one worker while another one answers or writes in their name."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from recsys.experiments.exposures import FirstExposures
from recsys.live.databases import log_in
from recsys.live.erasure import ErasureKeys
from recsys.live.pinned_slates import PinnedItem, PinnedSlate
from recsys.messages.slots import Slot
from recsys.types import Link, Query, Reason, Send, StateError
from recsys.web.app import Application, create_app
from tests.conftest import Shop, ago, busy_events, event, micros
from tests.live.test_pinned_slates import pin
from tests.support.servers.intake import EVENTS, EVENTS_KEY
from tests.support.servers.serving import ADMIN, ENVIRONMENT
from training.batch.compact import purge

SECRET = "forget-secret-of-at-least-32-characters"
SECRETS = {"RECSYS_KEYS_EVENTS": EVENTS_KEY, "RECSYS_FORGET_SECRETS": SECRET}
WEEKLY = Send(send_id="weekly", placement="email_weekly", limit=3, expires_at=2**60)
TRIAL = """
[experiments.trial]
placement = "home"
[[experiments.trial.arms]]
name = "control"
share = 0.5
[[experiments.trial.arms]]
name = "changed"
share = 0.5
change.rules = [{ name = "item_item", recommenders = { item_item = 1.0 } }]
"""


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A published shop where Ana bought a lamp and looked at sofas, with an experiment on its home page."""
    bought = event("ana", "lamp-1", "purchase", ago(days=9), order_id="o1", quantity=1.0, price=80.0)
    looks = [event("ana", f"sofa-{n}", at=ago(minutes=n)) for n in (1, 2, 3)]
    made = Shop(tmp_path, [*busy_events(), bought, *looks])
    made.toml = made.toml.split("[web]")[0] + '[web]\nclock = "events"\n' + TRIAL
    made.publish()
    return made


@pytest.fixture
def app(shop: Shop) -> Application:
    """The worker that answers."""
    return create_app(shop.settings, ENVIRONMENT | SECRETS)


@pytest.fixture
def other(shop: Shop) -> Application:
    """The worker that forgets."""
    return create_app(shop.settings, ENVIRONMENT | SECRETS)


def forget(other: Application, user: str = "ana") -> None:
    """Forget a shopper."""
    assert other.test_client().delete(f"/v1/users/{user}", headers=ADMIN).status_code == 200


def given(send_id: str) -> PinnedSlate:
    """A slate that was answered for Ana a moment ago."""
    because = PinnedItem("sofa-2", 1.0, Reason("because_bought", "Because you bought Lamp 1"), "item_item")
    return msgspec.structs.replace(pin(send_id, "ana"), items=(because,))


def test_what_is_pinned_is_what_is_known_after(app: Application, other: Application) -> None:
    """A send's slate is answered anew: what is pinned then is what a stranger gets."""
    serving = app.service.live.serving()
    app.service.live.state.pins.declare(WEEKLY, 1)
    query = Query(now=app.service.live.now(serving))
    assert app.service.sends(serving).preview(WEEKLY, query, "ana").personalized
    sends = app.service.sends(serving)
    forget(other)
    [found] = sends.slates("weekly", query, ["ana"])
    assert (found.pinned, found.slate.personalized) == (True, False)
    pinned = app.service.live.state.pins.pin_of("weekly", "ana")
    assert pinned is not None
    assert not pinned.personalized
    assert "sofa" not in " ".join(each.reason.text for each in pinned.items).lower()


def test_a_slate_that_was_answered_before_is_not_pinned(app: Application, other: Application) -> None:
    """That of a moment, say: neither it nor the send of its own is written down."""
    serving = app.service.live.serving()
    sends, pins = app.service.sends(serving), app.service.live.state.pins
    forget(other)
    own = msgspec.structs.replace(WEEKLY, send_id="moment-1")
    with pytest.raises(StateError, match="being forgotten"):
        sends.given(own, given("moment-1"), Query(now=app.service.live.now(serving)))
    assert (pins.send("moment-1"), pins.pins_of("ana", 9)) == (None, [])


def test_a_slot_pins_nothing(app: Application, other: Application) -> None:
    """A picture that is loaded just then is looked for anew, and shows what one who was forgotten sees."""
    app.service.live.state.pins.declare(WEEKLY, 1)
    serving = app.service.live.serving()
    sends = app.service.sends(serving)
    forget(other)
    now = app.service.live.now(serving)
    with pytest.raises(StateError, match="being forgotten"):
        sends.target(Slot("weekly", "ana", 0), now, may_pin=True)
    assert app.service.sends(serving).target(Slot("weekly", "ana", 0), now, may_pin=False) is None
    assert app.service.live.state.pins.pins_of("ana", 9) == []


def test_what_is_pinned_anew_is_not_touched_by_what_stood_before(app: Application, other: Application) -> None:
    """An item that takes the place of a sold out one, and an image that goes out, belong to the slate that they were found for."""
    pins = app.service.live.state.pins
    pins.declare(WEEKLY, 1)
    old = pins.pin(given("weekly"), 1)
    serving = app.service.live.serving()
    now = app.service.live.now(serving)
    forget(other)
    [found] = app.service.sends(serving).slates("weekly", Query(now=now), ["ana"])
    standing = pins.pin_of("weekly", "ana")
    assert standing is not None
    assert standing.recommendation_id == found.slate.recommendation_id != old.recommendation_id
    pins.serve_image(old, 0, 1)
    assert pins.image_served("weekly", "ana", 0) == standing.items[0].item_id
    assert pins.replace_items(old, [], 1) == old


def test_nobody_who_is_forgotten_is_exposed(app: Application, other: Application) -> None:
    """An answer that was begun before is that of no experiment, and no exposure is written."""
    live = app.service.live
    serving = live.serving()
    query, known = Query(now=live.now(serving), user_id="ana"), serving.read_to
    answered = serving.answer(query)
    assert answered.slate.experiments
    forget(other)
    assert live.expose(serving, answered, known).slate.experiments == ()
    assert live.state.driver.read("SELECT unit FROM exposures") == []
    assert live.expose(serving, answered, live.serving().read_to).slate.experiments
    assert live.state.driver.read("SELECT unit FROM exposures") == [("ana",)]


def test_an_arm_that_was_read_before_is_not_kept(tmp_path: Path) -> None:
    """Between the look at the log and the note of what was found, ids were joined or erased."""
    first = FirstExposures(log_in(tmp_path / "state").experiments)
    changes = first.changes
    first.keep("trial", "ana", "a", changes)
    first.clear()
    first.keep("trial", "ana", "a", changes)
    assert first.kept("trial", "ana") is None
    first.keep("trial", "ana", "a", first.changes)
    assert first.kept("trial", "ana") == "a"


def test_a_link_from_before_is_not_written(app: Application, other: Application) -> None:
    """What comes late is taken and not written down; a new one is."""
    forget(other)
    rows = [
        {"anonymous_id": "phone", "user_id": "ana", "timestamp": ago(minutes=5).isoformat()},
        {"anonymous_id": "tablet", "user_id": "ana"},
    ]
    answer = app.test_client().post("/v1/identities", json={"identities": rows}, headers=EVENTS)
    assert answer.get_json() == {"accepted": 2, "rejected": []}
    assert [link.anonymous_id for _, _, link in app.service.live.state.links(2**60)] == ["tablet"]
    assert app.service.live.serving().ids_of("ana") == ["ana", "tablet"]


def test_purging_deletes_what_is_there_all_the_same(shop: Shop, app: Application, other: Application) -> None:
    """Rows that a backup brought back, of the time that was forgotten."""
    state, at = app.service.live.state, micros(ago(minutes=5))
    forget(other)
    state.add_links([Link(anonymous_id="phone", user_id="ana", timestamp=at)], at)
    state.pins.pin(given("weekly"), at)
    keys = ErasureKeys([SECRET])
    assert purge(shop.settings, keys).logged == 2
    assert (state.links(2**60), state.pins.pins_of("ana", 9)) == ([], [])
    assert purge(shop.settings, keys).logged == 0
