"""The page of campaigns: what is listed and previewed, what editors change there, and what is refused in which words."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from flask.testing import FlaskClient

from recsys.settings import StateSettings
from recsys.settings.campaigns import Campaign
from recsys.settings.placements import Placement
from recsys.web.app import Application, create_app
from tests.console.conftest import SECRETS, console_app, form_token, logged_in
from tests.support.servers.serving import serving_settings

PAGE = "/console/campaigns"
PIN = {"campaign_id": "autumn", "placement.home": "1", "kind": "pin", "item_id": "lamp-2", "place": "1"}
CAMPAIGN = {"placements": ["home"], "actions": [{"pin": {"item_id": "lamp-2", "place": 1}}]}
OWN = f"{PAGE}?campaign=autumn"


@pytest.fixture
def fresh(artifacts: Path, tmp_path: Path) -> Application:
    """A service with a log of its own."""
    return console_app(artifacts, tmp_path / "state")


@pytest.fixture
def editor(fresh: Application) -> FlaskClient:
    """Somebody who may change campaigns."""
    return logged_in(fresh, "editor")


def send(web: FlaskClient, address: str = PAGE, do: str = "form", **fields: str) -> tuple[int, str]:
    """Send a form; returns the status, and the page or where it leads."""
    answer = web.post(address, data={"form_token": form_token(web.get(PAGE)), "do": do, **fields})
    return answer.status_code, answer.headers.get("Location") or answer.text


def stored(app: Application, campaign_id: str = "autumn") -> Campaign | None:
    """A campaign as it was put."""
    return app.service.live.state.campaigns.of(campaign_id)


def actions(app: Application) -> list[object]:
    """The actions of the campaign."""
    found = stored(app)
    assert found is not None
    stated: list[object] = msgspec.json.decode(msgspec.json.encode(found.actions))
    return stated


def test_an_editor_declares_and_previews_a_campaign(fresh: Application, editor: FlaskClient) -> None:
    """It is listed in words, and its page shows both lists with what moved and why."""
    assert send(editor, **PIN) == (303, OWN)
    assert actions(fresh) == [{"pin": {"item_id": "lamp-2", "place": 1}}]
    listed = editor.get(PAGE).text
    assert 'href="/console/campaigns?campaign=autumn"' in listed
    assert "pins lamp-2 to place 1" in listed
    assert "the console or the API" in listed
    page = editor.get(f"{OWN}&user_id=user-0").text
    moved = editor.get(f"{OWN}&user_id=user-0&csv=moved").text
    assert page.index("Without the campaign") < page.index("With the campaign")
    assert "pinned to place 1 by campaign autumn: place " in moved
    assert "→ 1" in moved


def test_a_span_is_picked_without_a_zone(fresh: Application, editor: FlaskClient) -> None:
    """A day and an hour of the browser's own field are UTC, and stand in the field again when the campaign is opened."""
    assert send(editor, **PIN, **{"from": "2026-12-01T08:00", "until": "2026-12-24T18:30:15"}) == (303, OWN)
    found = stored(fresh)
    assert found is not None
    assert (found.begins, found.until) == (
        datetime(2026, 12, 1, 8, tzinfo=UTC),
        datetime(2026, 12, 24, 18, 30, 15, tzinfo=UTC),
    )
    page = editor.get(OWN).text
    assert 'name="from" value="2026-12-01T08:00"' in page
    assert 'name="until" value="2026-12-24T18:30:15"' in page


def test_a_field_that_was_left_alone_moves_nothing(fresh: Application, editor: FlaskClient) -> None:
    """A campaign that was ended to the microsecond ends then, also after its form was sent again."""
    ended = '{"placements": ["home"], "until": "2026-12-24T18:30:15.123456Z", "actions": [{"pin": {"item_id": "lamp-2", "place": 1}}]}'
    assert send(editor, do="json", campaign_id="autumn", json=ended) == (303, OWN)
    before = stored(fresh)
    assert send(editor, OWN, **{"placement.home": "1", "until": "2026-12-24T18:30:15.123"}) == (303, OWN)
    assert stored(fresh) == before


def test_a_preview_reaches_as_far_as_the_campaign(tmp_path: Path, artifacts: Path) -> None:
    """A pin behind the placement's own length is seen at its place, as a longer list of the shop shows it."""
    settings = msgspec.structs.replace(
        serving_settings(artifacts, clock="events"),
        state=StateSettings(folder=str(tmp_path / "state")),
        placements={"footer": Placement(limit=2)},
    )
    web = logged_in(create_app(settings, SECRETS), "editor")
    pin = '{"placements": ["footer"], "actions": [{"pin": {"item_id": "soap-2", "place": 5}}]}'
    assert send(web, do="json", campaign_id="autumn", json=pin) == (303, OWN)
    assert "pinned to place 5 by campaign autumn" in web.get(f"{OWN}&csv=moved").text
    page = web.get(OWN).text
    assert "Shown are the first 5 places" in page
    assert page.count('<li class="card">') == 10
    bury = '{"placements": ["footer"], "actions": [{"bury": {"factor": 1, "filter": {"brand": {"any": ["Sella"]}}}}]}'
    assert send(web, OWN, do="json", json=bury) == (303, OWN)
    page = web.get(OWN).text
    assert "Shown are the first 2 places" in page
    assert "The campaign moves nothing among the first 2 places." in page


def test_what_a_campaign_keeps_out_is_told(editor: FlaskClient) -> None:
    """With the place that the item would have had."""
    only = '{"placements": ["home"], "actions": [{"only": {"filter": {"price": {"min": 1e9}}}}]}'
    assert send(editor, do="json", campaign_id="autumn", json=only) == (303, OWN)
    moved = editor.get(f"{OWN}&csv=moved").text.splitlines()
    assert moved[0].lstrip("\ufeff") == "item,place without,place with,why"
    assert "campaign autumn keeps it out" in moved[1]


@pytest.mark.parametrize(
    ("fields", "added"),
    [
        (
            {"kind": "boost", "of": "brand", "value": "Oakly", "factor": "1.5"},
            {"boost": {"factor": 1.5, "filter": {"brand": {"any": ["Oakly"]}}}},
        ),
        (
            {"kind": "bury", "of": "category", "value": "Lamps", "factor": "2"},
            {"bury": {"factor": 2.0, "filter": {"category": {"any": ["Lamps"]}}}},
        ),
        (
            {"kind": "exclude", "of": "brand", "value": "Oakly"},
            {"exclude": {"filter": {"brand": {"any": ["Oakly"]}}}},
        ),
        ({"kind": "limit", "of": "brand", "max": "2", "within": "10"}, {"limit": {"by": "brand", "max": 2, "within": 10}}),
        ({"kind": "limit", "of": "category", "max": "2"}, {"limit": {"by": "category", "max": 2, "within": 100}}),
    ],
)
def test_an_action_is_added_once(
    fresh: Application, editor: FlaskClient, fields: dict[str, str], added: dict[str, object]
) -> None:
    """After those that there are; a form that is sent twice adds it once."""
    send(editor, **PIN)
    for _ in range(2):
        assert send(editor, OWN, **{"placement.home": "1", **fields}) == (303, OWN)
    assert actions(fresh) == [{"pin": {"item_id": "lamp-2", "place": 1}}, added]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"campaign_id": ""}, "campaign_id: is needed"),
        ({"placement.home": ""}, "placements"),
        ({"place": "0"}, "actions[0].pin.place"),
        ({"place": "nan"}, "actions[0].pin.place"),
        ({"kind": "boost", "of": "brand", "value": "Oakly", "factor": "nan"}, "actions[0].boost.factor"),
        ({"kind": "boost", "of": "brand", "value": "", "factor": "2"}, "value"),
        ({"kind": "limit", "of": "price", "max": "2"}, "brand or category"),
        ({"kind": "explode"}, "pin, boost, bury, exclude, limit"),
        ({"from": "2026-01-01"}, "with its zone"),
        ({"kind": ""}, "1 to 50 objects"),
    ],
)
def test_what_is_wrong_is_named_beside_what_was_typed(
    fresh: Application, editor: FlaskClient, fields: dict[str, str], said: str
) -> None:
    """With 400, the field and what is allowed; nothing is kept but the form."""
    status, page = send(editor, **{**PIN, **fields})
    assert (status, 'role="alert"' in page, said in page) == (400, True, True), page
    assert 'value="lamp-2"' in page
    assert stored(fresh) is None


def test_json_is_read_as_the_api_reads_it(fresh: Application, editor: FlaskClient) -> None:
    """What the form has no field for is put so, and named so where it is wrong."""
    share = '{"share": {"min": 0.2, "within": 10, "filter": {"brand": {"any": ["Oakly"]}}}}'
    good = f'{{"placements": ["home"], "when": {{"known": true}}, "actions": [{share}]}}'
    assert send(editor, do="json", campaign_id="autumn", json=good) == (303, OWN)
    assert send(editor, OWN, **{"placement.home": "1", "kind": "pin", "item_id": "lamp-2", "place": "1"})[0] == 303
    found = stored(fresh)
    assert found is not None
    assert (found.when.known, len(found.actions)) == (True, 2)
    for wrong, said in [
        ("{", "not valid JSON"),
        (good.replace("0.2", "2"), "actions[0].share.min"),
        (good.replace("home", "hme"), "is unknown"),
    ]:
        status, page = send(editor, OWN, do="json", json=wrong)
        assert (status, said in page) == (400, True), page
    assert stored(fresh) == found


def revision_on(page: str) -> str:
    """The revision that the forms of a campaign's page were filled from."""
    [found] = set(re.findall(r'name="revision" value="(\d+)"', page))
    return str(found)


def changed_meanwhile(editor: FlaskClient) -> tuple[str, dict[str, str]]:
    """A campaign that was changed: the revision that somebody else's forms were filled from before, and the change."""
    send(editor, **PIN)
    old = revision_on(editor.get(OWN).text)
    changed = {"placement.home": "1", "kind": "pin", "item_id": "sofa-1", "place": "2", "revision": old}
    assert send(editor, OWN, **changed) == (303, OWN)
    return old, changed


def test_two_editors_do_not_undo_each_other(fresh: Application, editor: FlaskClient) -> None:
    """Forms that were filled before somebody else changed the campaign are told so, beside what was typed, however often they are
    sent; to end and to delete holds no old fields, and counts once it was told."""
    old, changed = changed_meanwhile(editor)
    standing = stored(fresh)
    stale = {"until": "2030-01-01T00:00", "item_id": "bag-1"}
    for _ in range(2):
        status, page = send(editor, OWN, **changed | stale)
        assert (status, "was changed since revision" in page, "Open it as it stands now" in page) == (412, True, True), page
        assert 'value="bag-1"' in page
        form = page[page.index('id="change"') : page.index('id="as-json"')]
        assert revision_on(form) == old
    for do in ("end", "delete"):
        status, page = send(editor, OWN, do=do, revision=old)
        assert (status, "was changed since revision" in page) == (412, True), page
        assert revision_on(page) != old
    assert stored(fresh) == standing


def test_a_slip_does_not_hide_what_another_editor_did(fresh: Application, editor: FlaskClient) -> None:
    """A form that is refused for what was typed keeps the revision that it was filled from: nobody was told of another one."""
    (old, _), standing = changed_meanwhile(editor), stored(fresh)
    status, page = send(editor, OWN, do="json", json="{", revision=old)
    assert (status, set(re.findall(r'name="revision" value="(\d+)"', page)) >= {old}) == (400, True)
    mended = '{"placements": ["home"], "actions": [{"pin": {"item_id": "bag-1", "place": 1}}]}'
    status, page = send(editor, OWN, do="json", json=mended, revision=old)
    assert (status, "was changed since revision" in page) == (412, True), page
    assert stored(fresh) == standing


def test_a_campaign_is_ended_and_deleted(fresh: Application, editor: FlaskClient) -> None:
    """Ended it is over and can still be looked at; deleting asks first."""
    send(editor, **PIN)
    assert send(editor, OWN, do="end") == (303, OWN)
    page = editor.get(OWN).text
    assert "End now" not in page
    assert "pinned to place 1 by campaign autumn" in editor.get(f"{OWN}&csv=moved").text
    assert "over" in editor.get(f"{PAGE}?csv=campaigns").text
    assert "Delete for good" in editor.get(f"{OWN}&delete=1").text
    assert stored(fresh) is not None
    assert send(editor, OWN, do="delete") == (303, PAGE)
    assert stored(fresh) is None
    assert send(editor, OWN, do="delete")[0] == 404


def test_declaring_takes_no_id_that_there_is(editor: FlaskClient) -> None:
    """A new campaign replaces none in silence, and what was typed stays, for another id."""
    send(editor, **PIN)
    status, page = send(editor, **{**PIN, "place": "2"})
    assert (status, "take another id" in page, 'role="alert"' in page, 'value="lamp-2"' in page) == (409, True, True, True)


@pytest.mark.parametrize("do", ["form", "json", "end", "delete", "other"])
def test_a_viewer_only_looks(fresh: Application, editor: FlaskClient, do: str) -> None:
    """No form that changes anything is there, and one that is sent all the same is refused, as is one without its token."""
    send(editor, **PIN)
    before, web = stored(fresh), logged_in(fresh, "viewer")
    pages = web.get(PAGE).text + web.get(OWN).text + web.get(f"{OWN}&delete=1").text
    assert 'name="do"' not in pages
    assert send(web, OWN, do=do, **PIN)[0] == 403
    assert editor.post(OWN, data={"do": do, **PIN}).status_code == 403
    assert stored(fresh) == before


def test_a_campaign_of_the_settings_is_only_looked_at(tmp_path: Path, artifacts: Path) -> None:
    """It says where it is changed, has no form, and is refused to be changed."""
    settings = msgspec.structs.replace(
        serving_settings(artifacts, clock="events"),
        state=StateSettings(folder=str(tmp_path / "state")),
        campaigns={"autumn": msgspec.convert(CAMPAIGN, Campaign)},
    )
    web = logged_in(create_app(settings, SECRETS), "editor")
    assert "it is changed only there" in web.get(OWN).text
    assert 'name="do"' not in web.get(OWN).text
    status, page = send(web, OWN, do="delete")
    assert (status, "stands in the settings file" in page) == (409, True)


def test_many_campaigns_are_paged(fresh: Application, editor: FlaskClient) -> None:
    """Fifty on a page."""
    campaign = msgspec.convert(CAMPAIGN, Campaign)
    for at in range(51):
        fresh.service.live.state.campaigns.put(f"c{at:02}", campaign, at)
    assert "campaign=c50" not in editor.get(PAGE).text
    assert "campaign=c50" in editor.get(f"{PAGE}?page=2").text
