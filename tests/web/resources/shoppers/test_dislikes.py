"""No, thanks: what a shopper does not want to see is hidden at once, for that shopper alone, for a time, and explained."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from recsys.engine.inspection.replay import logged, replayed, same_bytes
from recsys.live.slate_log import LoggedSlate
from recsys.snapshot.store import open_snapshot
from recsys.types import Query
from recsys.web.app import Application
from tests.support.servers.intake import EVENTS, intake, row_results, send
from tests.support.servers.serving import ADMIN, READ, bearer, token

HOME = "/v1/users/{}/recommendations?limit=100"


@pytest.fixture
def app(artifacts: Path, tmp_path: Path) -> Application:
    """The service with a log of its own."""
    return intake(artifacts, tmp_path)


def items(app: Application, user: str, more: str = "") -> list[dict[str, Any]]:
    """What a shopper is shown."""
    answer = app.test_client().get(HOME.format(user) + more, headers=ADMIN)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.get_json()["items"]
    return found


def say(app: Application, user: str, item: str, kind: str = "dislike", **more: Any) -> None:
    """Say no to something, or take it back."""
    row = {"user_id": user, "event_type": kind, "item_id": item, **more}
    assert row_results(send(app, {"events": [row]})) == {"accepted": 1, "duplicates": 0, "rejected": []}


@pytest.mark.parametrize("hides", ["item", "brand", "category"])
def test_it_is_hidden_at_once_and_comes_back(app: Application, hides: str) -> None:
    """The item, all of its brand or all of its category; others see it on, explain says why, and an undo brings it back."""
    before = items(app, "ann")
    one = before[0]
    say(app, "ann", one["item_id"], hides=hides)
    member = {"item": "item_id"}.get(hides, hides)
    after = items(app, "ann")
    assert after
    assert {each["item_id"] for each in before} - {each["item_id"] for each in after} == {
        each["item_id"] for each in before if each[member] == one[member]
    }
    assert items(app, "bob") == items(app, "cleo")
    assert one["item_id"] in [each["item_id"] for each in items(app, "bob")]
    stated = app.test_client().get(f"/v1/users/ann/explain?item_id={one['item_id']}", headers=ADMIN).get_json()
    words = "it" if hides == "item" else f"the {hides} {one[member]}"
    assert (stated["filter"]["name"], stated["said"]) == ("disliked", f"Not shown: the shopper said no to {words}")
    say(app, "ann", one["item_id"], "undo", hides=hides)
    assert items(app, "ann") == before


def test_a_shopper_who_wants_nothing_is_told_so(app: Application) -> None:
    """An empty list says why, and an undo fills it again."""
    before = items(app, "ann")
    for each in before:
        say(app, "ann", each["item_id"], hides="category")
    answer = app.test_client().get(HOME.format("ann"), headers=ADMIN).get_json()
    assert (answer["items"], len(answer["notices"])) == ([], 1)
    assert answer["notices"][0].startswith("dislikes: ")
    for each in before:
        say(app, "ann", each["item_id"], "undo", hides="category")
    assert items(app, "ann") == before


def test_it_ends_after_a_time(app: Application) -> None:
    """As of a later moment than the setting allows the item is shown again; as of an earlier one it still was."""
    first = items(app, "ann")[0]["item_id"]
    say(app, "ann", first, timestamp="2026-03-01T00:00:00Z")
    shown = {
        day: first in [each["item_id"] for each in items(app, "ann", f"&now={day}T00:00:00Z")]
        for day in ("2026-02-28", "2026-03-02", "2026-08-27", "2026-08-29")
    }
    assert shown == {"2026-02-28": True, "2026-03-02": False, "2026-08-27": False, "2026-08-29": True}


def test_it_follows_a_visitor_who_signs_in(app: Application) -> None:
    """What was said under the anonymous id holds for the known user; under it alone, before, it did not."""
    first = items(app, "ann")[0]["item_id"]
    say(app, "phone", first)
    assert items(app, "ann")[0]["item_id"] == first
    rows = {"identities": [{"anonymous_id": "phone", "user_id": "ann"}]}
    assert app.test_client().post("/v1/identities", json=rows, headers=EVENTS).get_json()["accepted"] == 1
    assert first not in [each["item_id"] for each in items(app, "ann")]


def test_a_page_may_say_it_of_its_own_shopper(app: Application) -> None:
    """A browser token says it for its user only; what cannot be told is named."""
    mine = bearer(token("ann"))
    first = items(app, "ann")[0]["item_id"]
    rows = [
        {"user_id": "ann", "event_type": "dislike", "item_id": first},
        {"user_id": "bob", "event_type": "dislike", "item_id": first},
        {"user_id": "ann", "event_type": "dislike"},
        {"user_id": "ann", "event_type": "dislike", "item_id": "no-such", "hides": "brand"},
        {"user_id": "ann", "event_type": "view", "item_id": first, "hides": "brand"},
    ]
    found = row_results(send(app, {"events": rows}, mine))
    assert found["accepted"] == 1
    assert [each["error"].partition(":")[0] for each in found["rejected"]] == ["user_id", "item_id", "item_id", "hides"]
    assert first not in [each["item_id"] for each in items(app, "ann")]
    assert first in [each["item_id"] for each in items(app, "bob")]
    similar = app.test_client().get("/v1/bestsellers?limit=100", headers=READ).get_json()["items"]
    assert first in [each["item_id"] for each in similar]


def test_it_is_of_both_accounts_of_a_person_and_is_taken_back_under_either(app: Application) -> None:
    """What one account said no to is hidden from the other one that it was joined into; the last word counts, under any id."""
    first = items(app, "user-0")[0]["item_id"]
    say(app, "user-1", first)
    assert first in [each["item_id"] for each in items(app, "user-0")]
    joined = app.test_client().post("/v1/users/user-0/accounts", json={"account_id": "user-1"}, headers=ADMIN)
    assert joined.status_code == 201
    assert first not in [each["item_id"] for each in items(app, "user-0")]
    say(app, "user-0", first, "undo")
    for user in ("user-0", "user-1"):
        assert first in [each["item_id"] for each in items(app, user)]


def test_a_slate_with_something_hidden_is_made_again(app: Application, artifacts: Path) -> None:
    """The note of a slate holds what was hidden: answered again without the log it has the same bytes."""
    query = Query(now=app.service.live.serving().newest + 1, user_id="ann", limit=100)
    app_items = app.service.live.serving().answer(query).slate.items
    catalog = app.service.live.serving().engine.catalog
    say(app, "ann", catalog.item_id(app_items[0]), timestamp="2026-03-01T00:00:00Z")
    answered = app.service.live.serving().answer(query)
    assert answered.slate.items[0] != app_items[0]
    note = msgspec.json.decode(msgspec.json.encode(logged(answered, query.now)), type=LoggedSlate)
    assert same_bytes(note, *replayed(note, open_snapshot(artifacts, note.snapshot), []))


def test_before_there_is_a_snapshot_it_is_kept_beside_events(artifacts: Path, tmp_path: Path) -> None:
    """Events are accepted before the first snapshot, and what names an item alone needs none either: nothing is half written."""
    app = intake(tmp_path / "empty", tmp_path)
    stated = [{"user_id": "ann", "event_type": kind, "item_id": "soap-1"} for kind in ("view", "dislike")]
    assert row_results(send(app, {"events": stated}))["accepted"] == 2
    shutil.copytree(artifacts, tmp_path / "empty")
    app.service.live.refresh()
    assert "soap-1" not in [each["item_id"] for each in items(app, "ann")]
    assert "soap-1" in [each["item_id"] for each in items(app, "bob")]
