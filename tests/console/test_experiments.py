"""The page of experiments: arms, sizes and read-outs as a merchant reads them, and what editors change there."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from flask.testing import FlaskClient

from recsys.experiments.read_outs import MAX_BYTES, Compared, read_out_file
from recsys.live.experiments import Exposure
from recsys.settings import StateSettings
from recsys.settings.campaigns import Campaign, Limit
from recsys.settings.experiments import ArmChange, Experiment
from recsys.web.app import Application, create_app
from recsys.web.console.experiments.words import change_words
from tests.conftest import NOW, micros
from tests.console.conftest import (
    EVIL,
    SECRETS,
    console_app,
    form_token,
    logged_in,
    own_artifacts,
    trial,
)
from tests.support.read_outs import read_out, write_read_out
from tests.support.servers.serving import serving_settings

PAGE = "/console/experiments"
OWN = f"{PAGE}?experiment=shorter"
UNKNOWN = ("relative", "low", "high", "always_low", "always_high", "p")
FORM = {
    "experiment_id": "shorter",
    "placement": "home",
    "arm": "three",
    "kind": "limit",
    "value": "3",
    "share": "50",
    "traffic": "10",
    "metric": "orders",
    "smallest_effect": "5",
}


@pytest.fixture
def fresh(artifacts: Path, tmp_path: Path) -> Application:
    """A service with a log and artifacts of its own."""
    return console_app(own_artifacts(artifacts, tmp_path), tmp_path / "state")


@pytest.fixture
def editor(fresh: Application) -> FlaskClient:
    """Somebody who may declare experiments."""
    return logged_in(fresh, "editor")


def send(web: FlaskClient, address: str = PAGE, do: str = "form", **fields: str) -> tuple[int, str]:
    """Send a form; returns the status, and the page or where it leads."""
    answer = web.post(address, data={"form_token": form_token(web.get(PAGE)), "do": do, **fields})
    return answer.status_code, answer.headers.get("Location") or answer.text


def stored(app: Application, name: str = "shorter") -> Experiment | None:
    """An experiment as it was declared last."""
    found = app.service.live.state.experiments.declared().get(name)
    return found and found.experiment


def expose(app: Application, name: str, **counts: int) -> None:
    """Write exposures down, so many of each arm."""
    rows = [Exposure(name, f"{arm}-{n}", arm, micros(NOW)) for arm, count in counts.items() for n in range(count)]
    app.service.live.state.experiments.expose(rows, micros(NOW))


def test_an_editor_declares_widens_and_stops_an_experiment(fresh: Application, editor: FlaskClient) -> None:
    """It runs from the next answer on, lets more shoppers in, and stopped it stays to be read."""
    assert send(editor, **FORM) == (303, OWN)
    found = stored(fresh)
    assert found is not None
    assert (found.placement, found.traffic, found.metric, found.smallest_effect) == ("home", 0.1, "orders", 0.05)
    assert [(arm.name, arm.share, arm.change.limit) for arm in found.arms] == [("control", 0.5, None), ("three", 0.5, 3)]
    assert fresh.service.live.experiments.keys() == {"shorter"}
    page = editor.get(OWN).text
    assert "3 items" in page
    assert "Nobody was exposed to it yet." in page
    assert "make experiment ID=shorter" in page
    assert send(editor, OWN, do="widen", traffic="40%") == (303, OWN)
    assert send(editor, OWN, do="widen", traffic="20")[0] == 409
    assert send(editor, OWN, do="stop") == (303, OWN)
    found = stored(fresh)
    assert found is not None
    assert (found.traffic, found.stopped) == (0.4, True)
    assert "Stop now" not in editor.get(OWN).text
    assert "stopped" in editor.get(f"{PAGE}?csv=experiments").text


def shown_on(page: str, do: str = "json") -> str:
    """What a form of an experiment's page was filled from."""
    [found] = re.findall(rf'name="do" value="{do}"><input type="hidden" name="was" value="([0-9a-f]+)"', page)
    return str(found)


def test_a_form_from_before_the_stop_does_not_start_it_again(fresh: Application, editor: FlaskClient) -> None:
    """Who opened the page while it ran is told that somebody changed it, however often the form is sent; opened again it counts."""
    send(editor, **FORM)
    old, body = shown_on(editor.get(OWN).text), msgspec.json.encode(stored(fresh)).decode()
    assert send(editor, OWN, do="stop") == (303, OWN)
    status, page = send(editor, OWN, do="json", json="{", was=old)
    assert (status, shown_on(page)) == (400, old), "nobody was told of the stop"
    for _ in range(2):
        status, page = send(editor, OWN, do="json", json=body, was=old)
        assert (status, "was changed since" in page, shown_on(page)) == (412, True, old), page
    status, page = send(editor, OWN, do="widen", traffic="40", was=old)
    assert (status, "was changed since" in page) == (412, True), page
    found = stored(fresh)
    assert found is not None
    assert (found.stopped, found.traffic) == (True, 0.1)
    assert send(editor, OWN, do="json", json=body, was=shown_on(editor.get(OWN).text)) == (303, OWN)
    found = stored(fresh)
    assert found is not None
    assert not found.stopped


def test_two_editors_do_not_undo_each_other(fresh: Application, editor: FlaskClient) -> None:
    """A form that was filled before somebody else changed the experiment is refused, beside what was typed."""
    send(editor, **FORM)
    old, body = shown_on(editor.get(OWN).text), msgspec.to_builtins(stored(fresh))
    one, other = (msgspec.json.encode(body | each).decode() for each in ({"traffic": 0.5}, {"smallest_effect": 0.25}))
    assert send(editor, OWN, do="json", json=one, was=old) == (303, OWN)
    standing = stored(fresh)
    for fields in ({"do": "json", "json": other}, {"do": "widen", "traffic": "60"}):
        status, page = send(editor, OWN, was=old, **fields)
        assert (status, "was changed since" in page, "Open it as it stands now" in page) == (412, True, True), page
        assert fields.get("traffic", "0.25") in page, "what was typed stays"
    assert stored(fresh) == standing
    status, page = send(editor, OWN, do="widen", traffic="20", was=shown_on(editor.get(OWN).text))
    assert (status, "may only grow" in page, 'role="alert"' in page) == (409, True, True)


def test_an_interleaved_experiment_says_what_either_arm_picks_by(fresh: Application, editor: FlaskClient) -> None:
    """All exposed shoppers stand in one row, with what both arms change; no sizes are held against each other."""
    change = {"rules": [{"name": "popular", "recommenders": {"bestsellers": 1.0}}]}
    arms = [{"name": "control", "share": 0.5}, {"name": "popular", "share": 0.5, "change": change}]
    mixed = msgspec.convert({"placement": "home", "kind": "interleaved", "arms": arms}, Experiment)
    fresh.service.live.state.experiments.declare("shorter", mixed, micros(NOW))
    expose(fresh, "shorter", interleaved=3)
    page = editor.get(OWN).text
    assert "popular picks in turns" in page
    assert "interleaved" in page
    assert "not as large" not in page


def test_limits_and_rotation_of_an_arm_are_said_in_words() -> None:
    """With how many of what; an empty list takes limits away."""
    change = ArmChange(limits=(Limit(by="brand", max=2, within=6),), rotate=0.3)
    assert change_words(change) == "at most 2 of a brand among 6; rotates by 30%"
    assert change_words(ArmChange(limits=())) == "no limits"


def test_a_filter_and_campaigns_of_an_arm_are_said_in_words() -> None:
    """By which attributes, and without which campaigns."""
    narrow = msgspec.convert({"filter": {"brand": {"any": ["Oakly"]}}, "campaigns_off": ["autumn"]}, ArmChange)
    assert change_words(narrow) == "only items by brand; without the campaigns autumn"
    assert change_words(msgspec.convert({"filter": {}, "campaigns_off": "all"}, ArmChange)) == "no filter; no campaign"
    assert change_words(ArmChange(campaigns_off=())) == "all campaigns"


@pytest.mark.parametrize(
    ("fields", "change"),
    [
        ({"kind": "nothing"}, {"rules": [{"name": "nothing"}], "fallback": []}),
        ({"kind": "bought", "value": "allow"}, {"bought": "allow"}),
        ({"kind": "campaigns", "value": "all"}, {"campaigns_off": "all"}),
        (
            {"kind": "leads", "value": "item_item"},
            {"rules": [{"name": "item_item", "recommenders": {"item_item": 1.0}}]},
        ),
    ],
)
def test_the_form_has_the_common_changes(
    fresh: Application, editor: FlaskClient, fields: dict[str, str], change: dict[str, object]
) -> None:
    """Another leader, what is owned, and nothing at all."""
    assert send(editor, **{**FORM, **fields}) == (303, OWN)
    found = stored(fresh)
    assert found is not None
    assert found.arms[1].change == msgspec.convert(change, type(found.arms[1].change))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"experiment_id": "Not so"}, "lower-case letter"),
        ({"arm": ""}, "arms[1].name"),
        ({"value": "0"}, "arms[1].change.limit"),
        ({"value": "three"}, "a whole number from 1 to 100"),
        ({"kind": "leads", "value": "nobody_knows"}, "nobody_knows"),
        ({"kind": "bought", "value": ""}, "is needed"),
        ({"kind": "explode"}, "leads, limit, bought, campaigns, nothing"),
        ({"kind": "campaigns", "value": "winter"}, "ids of campaigns on"),
        ({"share": "nan"}, "per cent, a number from 0 to 100"),
        ({"traffic": "101"}, "per cent, a number from 0 to 100"),
        ({"metric": "joy"}, "metric"),
        ({"placement": "attic"}, "attic"),
    ],
)
def test_what_is_wrong_is_named_beside_what_was_typed(
    fresh: Application, editor: FlaskClient, fields: dict[str, str], said: str
) -> None:
    """With 400, the field and what is allowed; nothing is kept but the form."""
    status, page = send(editor, **{**FORM, **fields})
    assert (status, 'role="alert"' in page, said in page) == (400, True, True), page
    assert 'value="5"' in page
    assert stored(fresh) is None


def test_json_is_read_as_the_api_reads_it(fresh: Application, editor: FlaskClient) -> None:
    """What the form has no field for is declared so; an id that is taken is not replaced in silence."""
    body = msgspec.json.encode(trial(holdout=0.1)).decode()
    assert send(editor, do="json", experiment_id="shorter", json=body) == (303, OWN)
    assert stored(fresh) == trial(holdout=0.1)
    status, page = send(editor, do="json", experiment_id="shorter", json=body)
    assert (status, "take another id" in page, "&#34;holdout&#34;:0.1" in page) == (409, True, True), page
    assert "kept out of the experiment" in editor.get(OWN).text
    status, page = send(editor, OWN, do="json", json="{")
    assert (status, "not valid JSON" in page) == (400, True)


@pytest.mark.parametrize("do", ["form", "json", "widen", "stop", "other"])
def test_a_viewer_only_looks(fresh: Application, editor: FlaskClient, do: str) -> None:
    """No form that changes anything is there, and one that is sent all the same is refused, as is one without its token."""
    send(editor, **FORM)
    before, web = stored(fresh), logged_in(fresh, "viewer")
    assert 'name="do"' not in web.get(PAGE).text + web.get(OWN).text
    assert send(web, OWN, do=do, **FORM)[0] == 403
    assert editor.post(OWN, data={"do": do, **FORM}).status_code == 403
    assert stored(fresh) == before


def test_an_experiment_of_the_settings_is_only_looked_at(tmp_path: Path, artifacts: Path) -> None:
    """It says where it is changed, has no form, and is refused to be changed."""
    settings = msgspec.structs.replace(
        serving_settings(artifacts, clock="events"),
        state=StateSettings(folder=str(tmp_path / "state")),
        experiments={"shorter": trial()},
    )
    web = logged_in(create_app(settings, SECRETS), "editor")
    page = web.get(OWN).text
    assert "it is changed only there" in page
    assert 'name="do"' not in page
    status, page = send(web, OWN, do="stop")
    assert (status, "stands in the settings file" in page) == (409, True)
    assert send(web, PAGE, **FORM)[0] == 409


def test_exposed_shoppers_are_counted_by_arm(fresh: Application, editor: FlaskClient) -> None:
    """As they are now, with the alarm where one arm loses exposures."""
    send(editor, **FORM)
    expose(fresh, "shorter", control=500, three=510)
    arms = editor.get(f"{OWN}&csv=arms").text.splitlines()
    assert arms[1].startswith("control,0.5,500,0.495")
    assert "as large as they were drawn, as far as chance goes" in editor.get(OWN).text
    expose(fresh, "shorter", control=800)
    page = editor.get(OWN).text
    assert "are not as large as they were drawn" in page
    assert '<p class="alarms">The arms' in page


def test_a_read_out_is_shown_with_its_age_and_drawn(fresh: Application, editor: FlaskClient) -> None:
    """The verdict, a bar for each measure whose interval can be told, and all figures as a table."""
    send(editor, **FORM)
    write_read_out(fresh.service.settings, read_out("shorter"))
    page = editor.get(OWN).text
    assert "changed is better: conversion +20.0% (+5.0% to +35.0%)." in page
    assert "ago, of shoppers since 2026-03-01" in page
    assert '<rect class="daily" x="114.29" width="85.71"' in page
    assert page.count('class="interval"') == 2
    assert page.count('class="once"') == 1
    assert "not known yet, no interval yet" in page
    assert "Shoppers who bought,changed,0.2,0.24,0.2,0.05,0.35,0.1,0.3,0.001," in editor.get(f"{OWN}&csv=measures").text
    assert "changed is better" in editor.get(PAGE).text


def test_what_else_a_read_out_says_is_shown(fresh: Application, editor: FlaskClient) -> None:
    """Warnings, who is not counted, the curve with its interval, segments as exploratory, what the arms answered, and what is not
    known; a read-out of an earlier version, which has none of it, is shown without."""
    send(editor, **FORM)
    write_read_out(fresh.service.settings, read_out("shorter"))
    page = editor.get(OWN).text
    for said in (
        '<p class="alarms"><bdi>Look out with changed: returns got worse',
        "Not counted: 2 staff, 1 machines.",
        "1 answered shopper had no exposure.",
        "Day by day, changed: +3.0%, -17.0% to +23.0%, by 2026-03-10",
        "Exploratory: some of the shoppers",
        "decide nothing",
        "margin is not known",
    ):
        assert said in page, said
    assert page.count('<path class="daily"') == page.count('<path class="line"') == 1
    assert editor.get(f"{OWN}&csv=answers").text.splitlines()[1] == "changed,11,40,0.25,0.042"
    assert editor.get(f"{OWN}&csv=curve").text.splitlines()[1].startswith("2026-03-10,changed,20,0.03")
    assert editor.get(f"{OWN}&csv=segments").text.splitlines()[1].startswith("had bought before,changed,12,0.1,-0.1,0.3")
    empty = Compared(measure="empty_lists", arm="changed", control=0.0, value=0.0, **dict.fromkeys(UNKNOWN))
    write_read_out(fresh.service.settings, read_out("shorter", differences=(empty,)))
    assert '<span class="figures">none in either</span>' in editor.get(OWN).text
    bare: dict[str, object] = {"curve": (), "segments": (), "arms": {}, "left_out": {}, "warnings": (), "notes": ()}
    write_read_out(fresh.service.settings, read_out("shorter", unexposed=0, **bare))
    page = editor.get(OWN).text
    assert not any(said in page for said in ("Exploratory", "Day by day", "Not counted", "had no exposure"))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "is not as `make experiment` writes it"),
        (b'{"id": "shorter"}', "missing required field"),
        (b" " * (MAX_BYTES + 1), "is larger than"),
        (msgspec.json.encode(read_out("other")), "is that of"),
        (msgspec.json.encode(read_out("shorter", key="shorter/2025")), "belongs to"),
    ],
)
def test_a_read_out_that_cannot_be_trusted_is_not_shown(
    fresh: Application, editor: FlaskClient, body: bytes, said: str
) -> None:
    """Damaged, too large, of another experiment or another salt: said so, with the command that writes it anew."""
    send(editor, **FORM)
    write_read_out(fresh.service.settings, read_out("shorter"))
    read_out_file(fresh.service.settings, "shorter").write_bytes(body)
    page = editor.get(OWN).text
    assert said in page
    assert "make experiment ID=shorter" in page
    assert "is better" not in page + editor.get(PAGE).text


def test_a_hostile_campaign_runs_nothing(fresh: Application, editor: FlaskClient) -> None:
    """Its id is a text on the page of the experiment that turns it off, beside a campaign of the placement or not."""
    campaign = msgspec.convert({"placements": ["home"], "actions": [{"limit": {"by": "brand", "max": 2}}]}, Campaign)
    fresh.service.live.state.campaigns.put(EVIL, campaign, micros(NOW))
    fields = {**FORM, "kind": "campaigns", "value": EVIL}
    assert send(editor, **fields) == (303, OWN)
    assert "<script>alert" not in editor.get(OWN).text
    assert "without the campaigns &lt;script&gt;" in editor.get(OWN).text
    status, page = send(editor, **{**fields, "experiment_id": "other", "placement": "cart"})
    assert (status, "<script>alert" in page, "ids of campaigns on" in page) == (400, False, True)


def test_what_does_not_run_is_said(fresh: Application, editor: FlaskClient) -> None:
    """An experiment that was declared and cannot run beside the others has its reason on the list."""
    send(editor, **FORM)
    fresh.service.live.state.experiments.declare("z_clash", trial(), micros(NOW))
    fresh.service.live.take_experiments()
    page = editor.get(PAGE).text
    assert "both change limit" in page
    assert "does not run" in editor.get(f"{PAGE}?experiment=z_clash").text
    lost = msgspec.to_builtins(trial()) | {"placement": "cart"}
    lost["arms"][1]["change"] = {"filter": {"colour": {"any": ["red"]}}}
    fresh.service.live.state.experiments.declare("lost", msgspec.convert(lost, Experiment), micros(NOW))
    fresh.service.live.take_experiments()
    assert "colour: is no attribute of items" in editor.get(PAGE).text
    assert "does not run" in editor.get(f"{PAGE}?experiment=lost").text
