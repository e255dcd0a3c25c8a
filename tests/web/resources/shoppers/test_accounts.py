"""Two accounts of one person over HTTP: one history at once, parted again by an undo, and forgotten together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from recsys.web.app import Application, create_app
from recsys.web.resources.shoppers.accounts import AccountsAnswer, JoinAnswer
from tests.support.servers.intake import EVENTS, EVENTS_KEY, intake, send
from tests.support.servers.serving import ADMIN, ENVIRONMENT, READ

FORGET = {"RECSYS_FORGET_SECRETS": "forget-secret-of-at-least-32-characters", "RECSYS_KEYS_EVENTS": EVENTS_KEY}


@pytest.fixture
def app(artifacts: Path, tmp_path: Path) -> Application:
    """The service with a log of its own, which can forget."""
    return create_app(intake(artifacts, tmp_path).service.settings, ENVIRONMENT | FORGET)


def join(app: Application, user: str, account: str, status: int = 201) -> Any:
    """Join an account into a user's."""
    answer = app.test_client().post(f"/v1/users/{user}/accounts", json={"account_id": account}, headers=ADMIN)
    assert answer.status_code == status, answer.text
    return answer.get_json()


def view(app: Application, *rows: tuple[str, str]) -> None:
    """Have users view items."""
    events = [{"user_id": user, "event_type": "view", "item_id": item} for user, item in rows]
    assert send(app, {"events": events}).get_json()["accepted"] == len(rows)


def events_of(app: Application, user: str) -> int:
    """How much is known of a user."""
    return len(app.service.live.serving().history(user))


def test_history_is_of_one_person_until_the_undo(app: Application) -> None:
    """What both accounts and their visitors did, before and after, under either account; an undo parts it again."""
    view(app, ("user-0", "sofa-1"), ("user-1", "sofa-2"), ("phone", "lamp-1"))
    before = {user: events_of(app, user) for user in ("user-0", "user-1")}
    linked = {"identities": [{"anonymous_id": "phone", "user_id": "user-1"}]}
    assert app.test_client().post("/v1/identities", json=linked, headers=EVENTS).get_json()["accepted"] == 1
    receipt = join(app, "user-0", "user-1")
    msgspec.convert(receipt, JoinAnswer, strict=True)
    assert (receipt["joined"], receipt["anonymous_ids"]) == (True, 1)
    assert join(app, "user-0", "user-1", 200) == receipt
    assert events_of(app, "user-0") == events_of(app, "user-1") == sum(before.values()) + 1
    view(app, ("user-1", "sofa-3"), ("phone", "lamp-2"))
    assert events_of(app, "user-0") == sum(before.values()) + 3
    accounts = app.test_client().get("/v1/users/user-1/accounts", headers=ADMIN).get_json()
    assert msgspec.convert(accounts, AccountsAnswer, strict=True) == AccountsAnswer("user-0", ("user-1",))
    undone = app.test_client().delete("/v1/users/user-0/accounts/user-1", headers=ADMIN)
    assert undone.get_json()["joined"] is False
    assert events_of(app, "user-0") == before["user-0"]
    assert events_of(app, "user-1") == before["user-1"] + 3
    assert app.test_client().delete("/v1/users/user-0/accounts/user-1", headers=ADMIN).status_code == 404


def test_accounts_are_joined_by_way_of_others_and_never_in_a_circle(app: Application) -> None:
    """Three accounts are one person; what would make a circle, or join an account twice, is refused with the way out."""
    view(app, ("ada", "sofa-1"), ("bob", "sofa-2"), ("cleo", "sofa-3"))
    join(app, "bob", "ada")
    join(app, "cleo", "bob")
    assert events_of(app, "ada") == events_of(app, "cleo") == 3
    assert "undo that first" in join(app, "dan", "ada", 409)["detail"]
    assert "is joined into 'cleo' itself" in join(app, "ada", "cleo", 409)["detail"]
    assert "the same as user_id" in join(app, "cleo", "cleo", 400)["detail"]


def test_no_visitor_is_joined(app: Application) -> None:
    """An anonymous id is no account; ids of accounts stay known users for identities; without the scope admin it is 403."""
    rows = {"identities": [{"anonymous_id": "phone", "user_id": "ada"}]}
    app.test_client().post("/v1/identities", json=rows, headers=EVENTS)
    assert "POST /v1/identities" in join(app, "bob", "phone", 400)["detail"]
    join(app, "bob", "ada")
    back = {"identities": [{"anonymous_id": "ada", "user_id": "cleo"}, {"anonymous_id": "tablet", "user_id": "ada"}]}
    answer = app.test_client().post("/v1/identities", json=back, headers=EVENTS).get_json()
    assert (answer["accepted"], [each["index"] for each in answer["rejected"]]) == (1, [0])
    view(app, ("tablet", "sofa-1"))
    assert events_of(app, "bob") == 1
    refused = app.test_client().post("/v1/users/bob/accounts", json={"account_id": "eve"}, headers=READ)
    assert refused.status_code == 403


@pytest.mark.parametrize("asked", ["bob", "ada"])
def test_erasure_finds_both(app: Application, asked: str) -> None:
    """Forgetting either account forgets the person: both histories, their visitors, and the join."""
    view(app, ("ada", "sofa-1"), ("bob", "sofa-2"), ("phone", "sofa-3"))
    rows = {"identities": [{"anonymous_id": "phone", "user_id": "ada"}]}
    app.test_client().post("/v1/identities", json=rows, headers=EVENTS)
    join(app, "bob", "ada")
    assert events_of(app, asked) == 3
    receipt = app.test_client().delete(f"/v1/users/{asked}", headers=ADMIN).get_json()
    assert (receipt["accounts"], receipt["anonymous_ids"], receipt["removed"]["joins"]) == (["bob", "ada"], 1, 1)
    assert [events_of(app, each) for each in ("ada", "bob", "phone")] == [0, 0, 0]
    view(app, ("ada", "sofa-1"), ("bob", "sofa-2"))
    assert app.service.live.serving().accounts.joined("bob") == []
