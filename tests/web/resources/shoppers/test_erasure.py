"""DELETE /v1/users/{user_id}: gone from answers at once, with a receipt; and what a shop needs for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from recsys.live.erasure import ErasureKeys
from recsys.live.moments import Moment
from recsys.snapshot.retention import prune
from recsys.web.app import Application, create_app
from tests.conftest import NOW, Shop, ago, busy_events, event, micros
from tests.live.test_pinned_slates import pin
from tests.support.servers.intake import EVENTS, EVENTS_KEY
from tests.support.servers.serving import ADMIN, ENVIRONMENT, READ
from tests.support.training import train
from training.batch.compact import compact, purge
from training.job.job import fit

SECRET = "forget-secret-of-at-least-32-characters"
SECRETS = {"RECSYS_KEYS_EVENTS": EVENTS_KEY, "RECSYS_FORGET_SECRETS": SECRET}
KEYED = '[web]\nclock = "events"\n[state]\nslate_share = 1.0\n'


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A published shop where Ana bought a lamp and looked at sofas."""
    bought = event("ana", "lamp-1", "purchase", ago(days=9), order_id="o1", quantity=1.0, price=80.0)
    looks = [event("ana", f"sofa-{n}", at=ago(minutes=n)) for n in (1, 2, 3)]
    shop = Shop(tmp_path, [*busy_events(), bought, *looks])
    shop.toml = shop.toml.split("[web]")[0] + KEYED
    shop.publish()
    return shop


def serve(shop: Shop, **secrets: str) -> Application:
    """One worker of the shop's service."""
    return create_app(shop.settings, ENVIRONMENT | SECRETS | secrets)


def events_of(app: Application, user: str) -> int:
    """How many events the service knows of a user."""
    live = app.service.live
    return len(live.serving().history(user))


def test_forgotten_at_once_by_every_worker(shop: Shop) -> None:
    """One worker forgets; the other does not know the user any more either, nor the anonymous id that was linked."""
    one, other = serve(shop), serve(shop)
    row = {"user_id": "cookie", "event_type": "view", "item_id": "bag-1", "timestamp": ago(minutes=9).isoformat()}
    assert one.test_client().post("/v1/events", json={"events": [row]}, headers=EVENTS).get_json()["accepted"] == 1
    link = {"identities": [{"anonymous_id": "cookie", "user_id": "ana"}]}
    assert one.test_client().post("/v1/identities", json=link, headers=EVENTS).status_code == 202
    one.test_client().get("/v1/users/ana/recommendations", headers=READ)
    assert events_of(other, "ana") == 5
    receipt = one.test_client().delete("/v1/users/ana", headers=ADMIN).get_json()
    assert (receipt["user_id"], receipt["anonymous_ids"]) == ("ana", 1)
    assert receipt["removed"] == {
        "events": 1,
        "identities": 1,
        "joins": 0,
        "dislikes": 0,
        "pins": 0,
        "moments": 0,
        "exposures": 0,
        "slates": 1,
    }
    assert (
        "Backups, and files that `make export` and `make moments` wrote before, are left to the shop."
        in receipt["remaining"]
    )
    assert receipt["snapshots"] == [one.service.live.serving().engine.snapshot.version]
    assert [events_of(each, user) for each in (one, other) for user in ("ana", "cookie")] == [0, 0, 0, 0]
    stated = other.test_client().get("/v1/users/ana/recommendations?bought=only", headers=READ).get_json()
    assert (stated["items"], stated["personalized"]) == ([], False)


def identify(app: Application, anonymous_id: str, user_id: str, minutes: float) -> None:
    """Link an anonymous id to a user, so long ago."""
    link = {"anonymous_id": anonymous_id, "user_id": user_id, "timestamp": ago(minutes=minutes).isoformat()}
    answer = app.test_client().post("/v1/identities", json={"identities": [link]}, headers=EVENTS)
    assert answer.get_json() == {"accepted": 1, "rejected": []}


def view(app: Application, user_id: str, item_id: str, minutes: float) -> None:
    """Look at an item, so long ago."""
    row = {"user_id": user_id, "event_type": "view", "item_id": item_id, "timestamp": ago(minutes=minutes).isoformat()}
    answer = app.test_client().post("/v1/events", json={"events": [row]}, headers=EVENTS)
    assert answer.get_json()["accepted"] == 1


def items_of(app: Application, user: str) -> list[str]:
    """The items in what the service knows of a user."""
    serving = app.service.live.serving()
    return [serving.engine.catalog.item_id(row) for row in serving.history(user).items.tolist()]


def test_on_a_shared_device_only_the_time_that_was_theirs_is_forgotten(shop: Shop) -> None:
    """Ana and Ben have one tablet, one after the other: what it did for Ben, and that it is his, stays in every worker and in the log;
    so do his slates, and sends and moments of his time. Slates that knew what it did for Ana go. The receipt says that an id was
    shared."""
    one, other = serve(shop), serve(shop)
    view(one, "tablet", "bag-1", 50)
    one.test_client().get("/v1/users/tablet/recommendations", headers=READ)
    identify(one, "tablet", "ana", 40)
    identify(one, "tablet", "ben", 30)
    view(one, "tablet", "sofa-1", 20)
    for user in ("tablet", "ben"):
        one.test_client().get(f"/v1/users/{user}/recommendations", headers=READ)
    state, slates = one.service.live.state, one.service.live.slates.log
    for number, minutes in enumerate((45, 15)):
        found = micros(ago(minutes=minutes))
        state.moments.write([Moment(f"m{number}", "tablet", "cart", found, (0, 2**60), b"{}")], 9, found)
        state.pins.pin(pin(f"send-{number}", "tablet", "sofa-1"), found)
    receipt = one.test_client().delete("/v1/users/ana", headers=ADMIN).get_json()
    assert (receipt["anonymous_ids"], receipt["shared_ids"]) == (1, 1)
    assert receipt["removed"] == {
        "events": 1,
        "identities": 1,
        "joins": 0,
        "dislikes": 0,
        "pins": 1,
        "moments": 1,
        "exposures": 0,
        "slates": 2,
    }
    assert [items_of(each, "ben") for each in (one, other)] == [["sofa-1"]] * 2
    assert [items_of(each, "tablet") for each in (one, other)] == [["sofa-1"]] * 2
    assert [items_of(each, "ana") for each in (one, other)] == [[]] * 2
    assert [(link.anonymous_id, link.user_id) for _, _, link in state.links(99)] == [("tablet", "ben")]
    assert [(each.user_id, [one.item_id for one in each.history]) for each in slates.newest(9)] == [("ben", ["sofa-1"])]
    assert [each.send_id for each in state.pins.pins_of("tablet", 9)] == ["send-1"]
    assert state.moments.notified(["m0", "m1"]) == {"m1"}


def test_whoever_had_the_device_before_is_told_again(shop: Shop) -> None:
    """After the one who has it is forgotten, a link to the one before is news, and holds from then on."""
    app = serve(shop)
    identify(app, "tablet", "ana", 40)
    identify(app, "tablet", "ben", 30)
    assert app.test_client().delete("/v1/users/ben", headers=ADMIN).get_json()["shared_ids"] == 1
    view(app, "tablet", "bag-1", -1)
    assert "bag-1" not in items_of(app, "ana")
    identify(app, "tablet", "ana", -2)
    view(app, "tablet", "bag-2", -3)
    assert [each for each in items_of(app, "ana") if each.startswith("bag")] == ["bag-2"]


def test_somebody_unknown_can_be_forgotten(shop: Shop) -> None:
    """The call says the same of anybody, so that it cannot be used to find out who is known, and may be repeated."""
    client = serve(shop).test_client()
    for _ in range(2):
        receipt = client.delete("/v1/users/nobody%2Fever", headers=ADMIN).get_json()
        assert (receipt["user_id"], receipt["snapshots"]) == ("nobody/ever", [])


def test_a_slash_at_the_end_of_the_address_is_refused(shop: Shop) -> None:
    """It is rather a slip than the end of an id, which is written %2F: nobody is told that a shopper is forgotten who is not."""
    client = serve(shop).test_client()
    refused = client.delete("/v1/users/ana/", headers=ADMIN)
    assert (refused.status_code, refused.get_json()["parameter"]) == (400, "user_id")
    assert "%2F" in refused.get_json()["detail"]
    assert client.delete("/v1/users/ana%2F", headers=ADMIN).get_json()["user_id"] == "ana/"


def test_what_arrives_late_stays_forgotten(shop: Shop) -> None:
    """Events from before the moment are taken, so that nobody sends them again, and not written down."""
    app = serve(shop)
    app.test_client().delete("/v1/users/ana", headers=ADMIN)
    rows = [{"user_id": "ana", "event_type": "view", "item_id": "bag-1", "timestamp": ago(days=1).isoformat()}]
    rows.append({"user_id": "ben", "event_type": "view", "item_id": "bag-1", "timestamp": ago(days=1).isoformat()})
    found = app.test_client().post("/v1/events", json={"events": rows}, headers=EVENTS).get_json()
    assert found == {"accepted": 2, "duplicates": 0, "rejected": []}
    written = [each.user_id for batch in app.service.live.state.events_between(0, 99) for _, _, each in batch]
    assert written == ["ben"]


def test_nobody_is_forgotten_by_halves(shop: Shop) -> None:
    """While no snapshot is loaded it is not known who is linked: the call is refused and nothing is deleted."""
    (shop.folder / "artifacts" / "CURRENT").unlink()
    app = serve(shop)
    assert app.test_client().delete("/v1/users/ana", headers=ADMIN).status_code == 503
    assert app.service.live.state.tombstones() == []


def test_without_a_secret_nobody_can_be_forgotten(shop: Shop) -> None:
    """The answer names the variable; nothing is half-done."""
    app = serve(shop, RECSYS_FORGET_SECRETS="")
    problem = app.test_client().delete("/v1/users/ana", headers=ADMIN)
    assert problem.status_code == 503
    assert "RECSYS_FORGET_SECRETS" in problem.get_json()["detail"]
    assert events_of(app, "ana") == 4


def test_only_admins_forget(shop: Shop) -> None:
    """Other keys are refused."""
    app = serve(shop)
    assert app.test_client().delete("/v1/users/ana", headers=READ).status_code == 403
    assert app.test_client().delete("/v1/users/ana", headers=EVENTS).status_code == 403
    assert app.test_client().delete("/v1/users/ana").status_code == 401
    assert events_of(app, "ana") == 4


@pytest.mark.parametrize("asked", ["Ana@Shop.example", "ana@shop.example", " ANA@shop.example"])
def test_every_spelling_is_forgotten(tmp_path: Path, asked: str) -> None:
    """Where rules make ids alike, whichever spelling is erased: of the tables, of what came live under another one, of compacted
    files; here, in the next training, and in the log after a purge."""
    shop = Shop(tmp_path, [*busy_events(), *[event("Ana@Shop.example", f"sofa-{n}", at=ago(minutes=n)) for n in (1, 2)]])
    shop.toml = shop.toml.split("[web]")[0] + KEYED + '[data.ids]\nuser = ["trim", "lower"]\n'
    shop.publish()
    app, keys = serve(shop), ErasureKeys([SECRET], ("trim", "lower"))
    state = app.service.live.state
    view(app, "Ana@Shop.example", "bag-1", 50)
    train(shop.settings, now=NOW + timedelta(minutes=1))
    prune(shop.settings.artifacts, 1)
    assert compact(shop.settings, datetime.now(UTC) + timedelta(days=99)).events == 1
    app.service.live.refresh()
    view(app, "Ana@Shop.example", "bag-2", 9)
    view(app, "ana@SHOP.example", "bag-2", 8)
    identify(app, "Phone", "ANA@SHOP.example", 7)
    view(app, "tablet", "bag-2", 6)
    identify(app, "tablet", "Ana@Shop.example", 5)
    receipt = app.test_client().delete(f"/v1/users/{quote(asked)}", headers=ADMIN).get_json()
    assert receipt["snapshots"] == [app.service.live.serving().engine.snapshot.version]
    assert receipt["anonymous_ids"] == 2
    for user in ("Ana@Shop.example", "ana@shop.example", "ana@SHOP.example", "Phone", "phone", "tablet"):
        assert events_of(app, user) == 0
    snapshot = fit(shop.settings, now=NOW, erasure_keys=keys).snapshot()
    assert [snapshot.histories.users.row(each) for each in ("ana@shop.example", "tablet")] == [-1, -1]
    assert purge(shop.settings, keys).events == 1
    assert [each for batch in state.events_between(0, 99) for each in batch] == []
    assert state.links(99) == []
    view(app, "Ana@Shop.example", "bag-1", -5)
    assert events_of(app, "Ana@Shop.example") == 1, "what follows is a new history"


def test_what_an_erased_anonymous_id_did_is_in_nobodys_logged_slates(shop: Shop) -> None:
    """A slate that Ana got because of what her tablet did goes with the tablet; one from before it was hers stays."""
    app = serve(shop)
    identify(app, "tablet", "ben", 40)
    slates = app.service.live.slates.log
    app.test_client().get("/v1/users/ana/recommendations", headers=READ)
    view(app, "tablet", "bag-1", -1)
    identify(app, "tablet", "ana", -1)
    app.test_client().get("/v1/users/ana/recommendations?limit=5", headers=READ)
    assert [len(each.history) for each in slates.newest(9)] == [5, 4]
    assert app.test_client().delete("/v1/users/tablet", headers=ADMIN).get_json()["removed"]["slates"] == 1
    assert [len(each.history) for each in slates.newest(9)] == [4]
