"""Campaigns over HTTP: put, told, removed, and seen by every worker at its next answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient

from recsys.settings import StateSettings
from recsys.settings.load import parse_settings
from recsys.web.app import create_app
from recsys.web.resources.merchant.campaign_effects import CampaignEffectAnswer
from tests.conftest import Shop, busy_events
from tests.support.servers.intake import intake
from tests.support.servers.serving import ADMIN, ENVIRONMENT, READ, client, serving_settings

PIN = {"placements": ["home"], "actions": [{"pin": {"item_id": "lamp-2", "place": 1}}]}
ADDRESS = "/v1/campaigns/autumn"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A published shop of its own."""
    shop = Shop(tmp_path, busy_events())
    shop.publish()
    return shop.folder / "artifacts"


@pytest.fixture
def web(folder: Path) -> FlaskClient:
    """A worker."""
    return client(folder, clock="events")


def listed(web: FlaskClient, **query: Any) -> list[str]:
    """What a stranger sees on the home page."""
    answer = web.get("/v1/users/nobody/recommendations", query_string=query, headers=READ)
    assert answer.status_code == 200
    return [item["item_id"] for item in answer.get_json()["items"]]


def test_a_campaign_is_seen_by_every_worker_and_gone_when_removed(folder: Path, web: FlaskClient) -> None:
    """At the next answer of each, in lists, explanations and the dry run of a send's preview alike."""
    other = client(folder, clock="events")
    before = listed(other)
    assert before[0] != "lamp-2"
    put = web.put(ADDRESS, json=PIN, headers=ADMIN)
    assert (put.status_code, put.get_json()["running"], put.get_json()["campaign"]) == (201, True, PIN)
    assert listed(other)[0] == "lamp-2"
    said = other.get("/v1/users/nobody/explain?item_id=lamp-2", headers=ADMIN).get_json()
    assert said["campaigns"] == [{"campaign": "autumn", "action": "pin", "said": "pinned to place 1 by campaign autumn"}]
    assert said["moved"] == {"without": before.index("lamp-2") + 1, "place": 1}
    put = web.put(ADDRESS, json=PIN, headers=ADMIN)
    assert put.status_code == 200
    assert other.get("/v1/campaigns", headers=ADMIN).get_json()["campaigns"] == [put.get_json()]
    assert other.delete(ADDRESS, headers=ADMIN).get_json()["campaign"] == PIN
    assert listed(web) == listed(other) == before
    assert [web.get(ADDRESS, headers=ADMIN).status_code, web.delete(ADDRESS, headers=ADMIN).status_code] == [404, 404]


def test_what_a_campaign_costs_is_told_from_logged_lists(folder: Path, tmp_path: Path) -> None:
    """To admins, of lists on which it held; of one that there is not, 404."""
    settings = msgspec.structs.replace(
        serving_settings(folder, clock="events"), state=StateSettings(folder=str(tmp_path / "state"), slate_share=1.0)
    )
    web = create_app(settings, ENVIRONMENT).test_client()
    listed(web)
    web.put(ADDRESS, json=PIN, headers=ADMIN)
    listed(web)
    stated = web.get(f"{ADDRESS}/effect", headers=ADMIN)
    found = msgspec.json.decode(stated.data, type=CampaignEffectAnswer, strict=True)
    assert (found.campaign_id, found.held, found.lists, found.changed, found.changed_share) == ("autumn", 1, 1, 1, 1.0)
    assert 0 < (found.relevance_lost or 0) < 1
    assert [(each.segment, each.lists, each.changed) for each in found.segments] == [("lead", 1, 1)]
    assert web.get(f"{ADDRESS}/effect", headers=READ).status_code == 403
    assert web.get("/v1/campaigns/spring/effect", headers=ADMIN).status_code == 404


def test_two_editors_do_not_undo_each_other(folder: Path, web: FlaskClient) -> None:
    """A change names the revision that it was made from, by the ETag, and one from an older revision is 412 and changes nothing."""
    put = web.put(ADDRESS, json=PIN, headers=ADMIN)
    first = put.headers["ETag"]
    stated = web.get(ADDRESS, headers=ADMIN).get_json()
    assert (first, stated["put_by"][:4]) == (f'"{stated["revision"]}"', "key ")
    limit = {**PIN, "actions": [{"limit": {"by": "brand", "max": 1}}]}
    changed = web.put(ADDRESS, json=limit, headers=ADMIN | {"If-Match": first})
    assert changed.status_code == 200
    for call in (web.put, web.delete):
        late = call(ADDRESS, json=PIN if call == web.put else None, headers=ADMIN | {"If-Match": first})
        assert late.status_code == 412
        assert f"it is at revision {changed.get_json()['revision']} by now" in late.get_json()["detail"]
    assert web.get(ADDRESS, headers=ADMIN).get_json() == changed.get_json()
    assert web.put(ADDRESS, json=PIN, headers=ADMIN | {"If-Match": "mine"}).status_code == 400
    assert web.delete(ADDRESS, headers=ADMIN | {"If-Match": changed.headers["ETag"]}).status_code == 200


def test_a_campaign_outlives_the_service_and_a_training(tmp_path: Path, folder: Path, web: FlaskClient) -> None:
    """It stands in the log, and holds on whatever is published."""
    web.put(ADDRESS, json=PIN, headers=ADMIN)
    Shop(tmp_path, busy_events()[:-1]).publish()
    assert listed(client(folder, clock="events"))[0] == "lamp-2"


@pytest.mark.parametrize(
    ("body", "parameter", "said"),
    [
        ({"placements": ["home"]}, "actions", "is needed"),
        ({**PIN, "placments": []}, "placments", "placements"),
        ({**PIN, "actions": [{"pinn": {}}]}, "actions[0].pinn", "boost"),
        ({**PIN, "actions": [{"pin": {"item": "x"}}]}, "actions[0].pin.item", "item_id"),
        ({**PIN, "actions": [{"pin": {"item_id": "x", "place": 0}}]}, "actions[0].pin.place", "1 to 100"),
        ({**PIN, "from": "2026-01-01"}, "from", "with its zone"),
        (
            {**PIN, "from": "2026-02-01T00:00:00Z", "until": "2026-02-01T01:00:00+01:00"},
            "until",
            "with its zone, after from",
        ),
        ({**PIN, "when": {"knwn": True}}, "when.knwn", "known"),
        ({**PIN, "when": {"lifecycle": ["gone"]}}, "when.lifecycle[0]", "lead, first_time, active, defecting, inactive"),
        ({**PIN, "when": {"intent": "sale"}}, "when.intent", "buyer or browser"),
        ({**PIN, "actions": []}, "actions", "1 to 50 objects"),
        ({**PIN, "actions": [{"only": {"filter": {"colour": {"any": ["red"]}}}}]}, None, "colour: is no attribute of items"),
        ({**PIN, "placements": ["hme"]}, None, "'hme' is unknown; there are bestsellers"),
        ({**PIN, "actions": [{"limit": {"by": "title", "max": 1}}]}, None, "allowed: brand, category, group"),
    ],
)
def test_what_is_wrong_with_a_campaign_is_named(web: FlaskClient, body: Any, parameter: str | None, said: str) -> None:
    """With what is allowed; nothing of it is kept."""
    answer = web.put(ADDRESS, json=body, headers=ADMIN)
    problem = answer.get_json()
    assert (answer.status_code, problem.get("parameter")) == (400, parameter)
    assert said in problem["detail"]
    assert web.get(ADDRESS, headers=ADMIN).status_code == 404


def test_campaigns_need_the_scope_admin(web: FlaskClient) -> None:
    """A key that reads lists neither sees nor changes them."""
    assert web.put(ADDRESS, json=PIN, headers=READ).status_code == 403
    assert web.get("/v1/campaigns", headers=READ).status_code == 403


@pytest.mark.parametrize(
    ("action", "lost"),
    [
        ({"pin": {"item_id": "nothing-1", "place": 1}}, "actions[0].pin: there is no item 'nothing-1' in the catalogue"),
        (
            {"exclude": {"filter": {"category": {"any": ["Gifts"]}}}},
            "actions[0].filter.category: there is no 'Gifts' in the catalogue",
        ),
        ({"exclude": {"filter": {"category": {"any": ["Home"]}}}}, None),
    ],
)
def test_a_campaign_says_what_the_catalogue_lost(artifacts: Path, tmp_path: Path, action: Any, lost: str | None) -> None:
    """An item that went, or a category that was renamed: the campaign is put, for it may come, and whoever looks is told."""
    web = intake(artifacts, tmp_path).test_client()
    assert web.put(ADDRESS, json={"placements": ["home"], "actions": [action]}, headers=ADMIN).status_code == 201
    assert web.get(ADDRESS, headers=ADMIN).get_json()["problem"] == lost


def test_a_campaign_of_the_settings_is_changed_there(tmp_path: Path) -> None:
    """It is told like the others, and refused to be put or removed; its span is that of the request's now."""
    shop = Shop(tmp_path, busy_events())
    shop.publish()
    toml = """
[web]
clock = "events"
[campaigns.autumn]
placements = ["home"]
until = 2026-03-31T12:00:00Z
actions = [{ pin = { item_id = "lamp-2", place = 1 } }]
"""
    web = create_app(parse_settings(toml, tmp_path), ENVIRONMENT).test_client()
    stated = web.get(ADDRESS, headers=ADMIN).get_json()
    assert (stated["in_settings"], stated["problem"]) == (True, None)
    assert [web.put(ADDRESS, json=PIN, headers=ADMIN).status_code, web.delete(ADDRESS, headers=ADMIN).status_code] == [
        409,
        409,
    ]
    admin = {"now": "2026-03-31T11:59:59Z"}
    inside = web.get("/v1/users/nobody/recommendations", query_string=admin, headers=ADMIN).get_json()["items"]
    after = web.get(
        "/v1/users/nobody/recommendations", query_string={"now": "2026-03-31T12:00:00Z"}, headers=ADMIN
    ).get_json()["items"]
    assert inside[0]["item_id"] == "lamp-2"
    assert inside[0]["reason"]["campaign"] == "autumn"
    assert after[0]["item_id"] != "lamp-2"
