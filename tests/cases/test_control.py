"""The merchant's hand: limits for every shopper, rules with an end, and lists to their end."""

from __future__ import annotations

import json
import runpy
import socket
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from flask.testing import FlaskClient

from recsys.live.sqlite import local_disk
from recsys.types import StateError
from recsys.web.app import create_app
from tests.support.cases import NOW, as_it_comes, folder_of, needs_cases, open_case
from tests.support.servers.patience import PATIENCE_SECONDS
from tests.support.servers.running import start, stop
from tests.support.servers.serving import ENVIRONMENT, serving_settings
from training.experiments.readout import read_out

pytestmark = needs_cases
SHOPPERS = [*(f"s{n:03}" for n in range(0, 300, 10)), "somebody-new"]


def items_of(client: FlaskClient, path: str) -> list[dict[str, Any]]:
    """The items of a list."""
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.get_json()["items"]
    return found


@pytest.mark.long
def test_no_brand_and_no_leaf_category_fills_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 12 places at most 4 are of one brand and 3 of one leaf category, for every shopper, with the list still full."""
    case = open_case("control-01-one-brand-fills-the-page", tmp_path, monkeypatch)
    case.train(force="made up")
    client = case.serve()
    for user in SHOPPERS:
        items = items_of(client, f"/v1/users/{user}/recommendations?limit=12")
        assert len(items) == 12
        assert max(Counter(item["brand"] for item in items).values()) <= 4
        assert max(Counter(item["category"] for item in items).values()) <= 3


@pytest.mark.long
def test_rules_hold_and_end_and_are_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Categories kept out of a placement and of a request, a pin and a boost with an end, any of several categories."""
    case = open_case("control-02-rules-of-the-merchant", tmp_path, monkeypatch)
    case.train(force="made up")
    client, now = case.serve(), "2026-06-29T23:59:59Z"
    kept_out = {"Home > C1", "Home > C2"}
    for user in SHOPPERS:
        for path in (
            f"/v1/users/{user}/recommendations?placement=category&limit=40",
            f"/v1/users/{user}/recommendations?limit=40&attr.category.none=Home+%3E+C1&attr.category.none=Home+%3E+C2",
        ):
            found = {item["category"] for item in items_of(client, path)}
            assert found
            assert not found & kept_out
    said = client.get("/v1/users/nobody/explain?placement=category&item_id=P06").get_json()
    assert said["said"] == "Not shown: its category must be none of Home > C1, Home > C2, which category asks of every item"
    listed = "/v1/users/nobody/recommendations?limit=12"
    before = [item["item_id"] for item in items_of(client, f"{listed}&now={now}")]
    after = [item["item_id"] for item in items_of(client, f"{listed}&now=2026-06-30T00:00:00Z")]
    assert before[1] == "P07"
    assert after[1] != "P07"
    said = client.get(f"/v1/users/nobody/explain?item_id=P07&now={now}").get_json()
    assert "pinned to place 2 by campaign june" in said["said"]
    boosted = next(item for item in before if int(item[1:]) % 4 == 3 and item != "P07" and item in after)
    said = client.get(f"/v1/users/nobody/explain?item_id={boosted}&now={now}").get_json()["said"]
    assert "boosted × 1.5 by campaign june" in said
    several = "&".join(f"category={quote(name)}" for name in ("Home > C0", "Home > C3"))
    found = {item["category"] for item in items_of(client, f"/v1/users/s001/recommendations?limit=40&{several}")}
    assert found == {"Home > C0", "Home > C3"}


@pytest.mark.long
def test_a_list_of_a_hundred_pages_comes_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """1,500 items in pages of 12: none twice, none missing, each address short."""
    case = open_case("control-04-endless-list", tmp_path, monkeypatch)
    case.train(force="made up")
    client, seen, cursor = case.serve(), list[str](), "*"
    while cursor:
        address = f"/v1/users/nobody/recommendations?limit=12&cursor={cursor}"
        assert len(address) < 8000
        page = client.get(address).get_json()
        seen += [item["item_id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert len(seen) == len(set(seen)) == 1500


@pytest.mark.long
@pytest.mark.parametrize("user", ["s001", "a-stranger-with-an-id"])
def test_what_is_shown_for_ever_sinks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str) -> None:
    """After 20 days of the same list without a click at least 4 of 12 are others, explain says why, and a setting turns it off."""
    case = open_case("control-03-shown-often-never-clicked", tmp_path, monkeypatch)
    case.train(force="made up")
    client, address = case.serve(), f"/v1/users/{user}/recommendations?limit=12"
    first = [item["item_id"] for item in items_of(client, address)]
    for day in range(1, 21):
        said = [
            {
                "user_id": user,
                "event_type": "impression",
                "item_id": item,
                "timestamp": f"2026-06-{day:02}T0{place % 10}:00:00Z",
            }
            for place, item in enumerate(first)
        ]
        assert client.post("/v1/events", json={"events": said}).get_json()["accepted"] == 12
    then = [item["item_id"] for item in items_of(client, address)]
    assert len(set(then) - set(first)) >= 4
    gone = next(item for item in first if item not in then)
    said_of_it = client.get(f"/v1/users/{user}/explain?item_id={gone}").get_json()
    assert "times without a click, which sinks it here" in said_of_it["said"]
    settings = case.settings
    off = msgspec.structs.replace(settings, placements={})
    plain = create_app(off, {}).test_client()
    assert [item["item_id"] for item in items_of(plain, address)] == first


@pytest.mark.long
def test_a_tenth_of_the_shoppers_see_other_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same shopper sees the same arm, slate and log name it, and the read-out has orders and revenue with intervals."""
    case = open_case("control-05-two-settings-at-once", tmp_path, monkeypatch)
    case.train(force="made up")
    client = case.serve()
    lists = {user: client.get(f"/v1/users/{user}/recommendations").get_json() for user in (f"s{n:03}" for n in range(300))}
    arms = {user: answer["experiments"][0]["arm"] for user, answer in lists.items() if "experiments" in answer}
    assert len(arms) > 250  # the others are shown the same by both arms
    assert 0.05 < Counter(arms.values())["item_item"] / len(arms) < 0.15
    again = case.serve()
    for user in ("s000", "s111", "s222"):
        assert again.get(f"/v1/users/{user}/recommendations").get_json() == lists[user]
    assert {lists[user]["strategy"] for user, arm in arms.items() if arm == "item_item"} <= {"item_item", "fallback"}
    found = read_out(case.settings, "home_lead", NOW)
    assert found.units == Counter(arms.values())
    assert {"orders", "revenue"} <= {each.measure for each in found.differences}


@pytest.mark.long
def test_it_runs_under_a_path_and_slow_clients_hold_nobody_up(artifacts: Path, tmp_path: Path) -> None:
    """A setting moves the service under a path, which its description names; clients that never end hold no worker."""
    folder_of("control-08-behind-proxies-and-twice")
    server = start(tmp_path, artifacts, "--workers", "2", web='development = true\nprefix = "/recs"')
    try:
        assert server.get("/recs/healthz")[0].status == 200
        assert json.loads(server.get("/recs/openapi.json")[1])["servers"] == [{"url": "/recs"}]
        assert server.get("/healthz", {"SCRIPT_NAME": "/elsewhere"})[0].status == 200
        with ExitStack() as stack:
            for _ in range(2):
                client = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), PATIENCE_SECONDS))
                client.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{")
            began = time.monotonic()
            assert server.get("/healthz")[0].status == 200
            assert time.monotonic() - began < 5
    finally:
        assert stop(server) == 0


def test_a_folder_that_other_machines_may_write_to_is_refused_at_start(
    artifacts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also before anything was written there; the reason names the file system and the settings to change."""
    folder_of("control-08-behind-proxies-and-twice")
    (tmp_path / "mounts").write_text(f"nas:/shop {artifacts.parent} nfs4 rw 0 0\n")
    monkeypatch.setattr(local_disk, "MOUNTS", tmp_path / "mounts")
    with pytest.raises(StateError, match=r"network file system nas:/shop .*`state\.database`"):
        create_app(serving_settings(artifacts), ENVIRONMENT)


@pytest.mark.long
def test_two_accounts_are_one_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A join with a receipt that can be undone: history, orders and revenue are of one person, at once and after a training."""
    case = as_it_comes("control-06-two-accounts-one-person", tmp_path)
    monkeypatch.chdir(tmp_path)
    runpy.run_path("make_events.py")
    case.train(force="made up")
    client = case.serve()
    apart = [client.get(f"/v1/users/{user}/profile").get_json() for user in ("s001", "s002")]
    receipt = client.post("/v1/users/s002/accounts", json={"account_id": "s001"})
    assert (receipt.status_code, receipt.get_json()["joined"]) == (201, True)
    whole = client.get("/v1/users/s002/profile").get_json()
    assert whole["orders"] == sum(each["orders"] for each in apart)
    case.train(force="made up")
    trained = case.serve()
    then = trained.get("/v1/users/s002/profile").get_json()
    assert then["orders"] == whole["orders"]
    assert then["value"]["revenue"] == pytest.approx(sum(each["value"]["revenue"] for each in apart if each["value"]))
    assert trained.delete("/v1/users/s002/accounts/s001").get_json()["joined"] is False
    case.train(force="made up")
    assert [case.serve().get(f"/v1/users/{user}/profile").get_json()["orders"] for user in ("s001", "s002")] == [
        each["orders"] for each in apart
    ]
