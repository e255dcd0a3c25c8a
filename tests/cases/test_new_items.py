"""Items that nobody has bought yet: on their own page, in lists of those who like their category, and put while the service runs."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.support.cases import Case, folder_of, ids, needs_cases, open_case

pytestmark = [needs_cases, pytest.mark.long]
TODAY = "new-01-item-of-today"
CATEGORY, BRAND = "Home > C2", "Brand 2"


def likers(case: Case) -> list[str]:
    """Shoppers of whose events as many are in the new item's category as in any other."""
    categories, did = dict(case.items("item_id", "category")), defaultdict[str, Counter[str]](Counter)
    for user, item in case.events("user_id", "item_id"):
        did[user][categories[item]] += 1
    return [user for user, kinds in sorted(did.items()) if kinds[CATEGORY] == max(kinds.values())]


def home(user: str) -> str:
    """The home page of a shopper."""
    return f"/v1/users/{user}/recommendations?limit=12"


def test_an_item_without_an_event_has_look_alikes_and_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own page begins with things of its category or brand; without any setting one in twenty who like its category see it."""
    case = open_case(TODAY, tmp_path, monkeypatch)
    case.train(force="a made-up shop")
    client = case.serve()
    similar = client.get("/v1/items/NEWEST/similar?limit=5").get_json()["items"]
    assert [item["item_id"] for item in similar] != ids(client, "/v1/bestsellers?limit=5")
    assert all(item["category"] == CATEGORY or item["brand"] == BRAND for item in similar)
    seen = [user for user in likers(case) if "NEWEST" in ids(client, home(user))]
    assert len(seen) >= len(likers(case)) / 20


def test_a_share_gives_new_items_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a share for what was published lately an item that is put stands on every home page, and no list is shorter."""
    case = open_case(TODAY, tmp_path, monkeypatch, file="places-for-new-items.toml")
    case.train(force="a made-up shop")
    client, (item,) = case.serve(), sent()["items"]
    users = likers(case)
    assert not any("TODAY" in ids(client, home(user)) for user in users)
    dated = item | {"published_at": "2026-06-20T00:00:00Z"}
    assert client.put("/v1/items", json={"items": [dated]}).get_json() == {"accepted": 1, "rejected": []}
    lists = [ids(client, home(user)) for user in users]
    assert all(len(shown) == 12 and "TODAY" in shown for shown in lists)


def test_an_item_is_put_and_what_was_done_with_it_before_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event of an unknown item is kept and the answer says so; once it is put it has a page, and is in its category's lists."""
    case = open_case(TODAY, tmp_path, monkeypatch)
    case.train(force="a made-up shop")
    client = case.serve()
    assert client.get("/v1/items/TODAY/similar").status_code == 404
    views = [{"user_id": "ann", "event_type": "view", "item_id": item} for item in ("TODAY", "P01")]
    assert client.post("/v1/events", json={"events": views}).get_json() == {
        "accepted": 2, "duplicates": 0, "rejected": [], "unknown_items": ["TODAY"],
    }  # fmt: skip
    assert CATEGORY not in str(client.get("/v1/users/ann/profile").get_json())
    assert client.put("/v1/items", json=sent()).get_json() == {"accepted": 1, "rejected": []}
    assert client.get("/v1/items/TODAY/similar").status_code == 200
    assert "TODAY" in ids(client, f"/v1/bestsellers?category={CATEGORY}&limit=100")
    assert CATEGORY in str(client.get("/v1/users/ann/profile").get_json())


def sent() -> Any:
    """The body that the case sends for the item of today."""
    body: Any = json.loads((folder_of(TODAY) / "send.json").read_text())[0][2]
    return body
