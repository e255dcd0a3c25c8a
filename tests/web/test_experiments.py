"""Experiments over HTTP: which arm answered stands in slates, explanations and pinned slates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from recsys.settings.experiments import Experiment
from recsys.types import SettingsError
from recsys.web.app import Application, create_app
from tests.support.serving import ADMIN, ENVIRONMENT, MESSAGES_KEY, READ, bearer, serve, serving_settings

SHOPPERS = [f"user-{number}" for number in range(12)]
LEADS = {"rules": [{"name": "item_item", "recommenders": {"item_item": 1.0}}]}
MESSAGES = bearer(MESSAGES_KEY)


def experiment(change: dict[str, Any] | None = None, **more: Any) -> Experiment:
    """Two arms on home, half each, the second with a change."""
    arms = [
        {"name": "control", "share": 0.5},
        {"name": "changed", "share": 0.5, "change": LEADS if change is None else change},
    ]
    return msgspec.convert({"placement": "home", "arms": arms, **more}, Experiment)


def app_with(folder: Path, artifacts: Path, **experiments: Experiment) -> Application:
    """The service with experiments, and state of its own."""
    settings = serving_settings(artifacts)
    state = msgspec.structs.replace(settings.state, folder=str(folder / "state"))
    return create_app(msgspec.structs.replace(settings, state=state, experiments=experiments), ENVIRONMENT)


def get(app: Application, path: str, headers: dict[str, str] = READ) -> dict[str, Any]:
    """What a call answers."""
    answer = app.test_client().get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def test_slates_name_the_arms_before_their_items(tmp_path: Path, artifacts: Path) -> None:
    """Each shopper's slate names the arm; items come last, and both arms are there."""
    app = app_with(tmp_path, artifacts, trial=experiment({"fallback": ["bestsellers"]}))
    slates = [get(app, f"/v1/users/{user}/recommendations") for user in SHOPPERS]
    assert {tuple(each)[-2:] for each in slates} == {("experiments", "items")}
    assert {each["experiments"][0]["arm"] for each in slates} == {"control", "changed"}
    assert all(each["experiments"] == [{"id": "trial", "arm": each["experiments"][0]["arm"]}] for each in slates)


def test_two_processes_give_the_same_arm(tmp_path: Path, artifacts: Path) -> None:
    """Another worker over the same settings answers byte for byte the same."""
    apps = [app_with(tmp_path, artifacts, trial=experiment()) for _ in range(2)]
    for user in SHOPPERS:
        one, other = (each.test_client().get(f"/v1/users/{user}/recommendations", headers=READ).data for each in apps)
        assert msgspec.json.decode(one)["items"] == msgspec.json.decode(other)["items"]
        assert msgspec.json.decode(one).get("experiments") == msgspec.json.decode(other).get("experiments")


def test_an_arm_may_change_the_length(tmp_path: Path, artifacts: Path) -> None:
    """Where the query names no limit, the arm's is taken; one that is named stands."""
    app = app_with(tmp_path, artifacts, trial=experiment({"limit": 3}))
    lengths = {}
    for user in SHOPPERS:
        slate = get(app, f"/v1/users/{user}/recommendations")
        lengths[slate["experiments"][0]["arm"]] = len(slate["items"])
        named = get(app, f"/v1/users/{user}/recommendations?limit=5")
        assert (len(named["items"]), "experiments" in named) == (5, False)
    assert lengths["changed"] == 3 < lengths["control"]


def test_an_explanation_is_of_the_arms_list(tmp_path: Path, artifacts: Path) -> None:
    """It has the id of the slate that the shopper gets, and names the arm."""
    app = app_with(tmp_path, artifacts, trial=experiment())
    for user in SHOPPERS:
        slate = get(app, f"/v1/users/{user}/recommendations?now=2026-03-31T12:00:00Z", ADMIN)
        found = get(app, f"/v1/users/{user}/explain?item_id=sofa-1&now=2026-03-31T12:00:00Z", ADMIN)
        assert found["recommendation_id"] == slate["recommendation_id"]
        assert found.get("experiments") == slate.get("experiments")


def test_what_is_pinned_keeps_its_arm(tmp_path: Path, artifacts: Path) -> None:
    """The slate of a send names the arm that answered first, also when the experiment has ended since."""
    trial = experiment({"fallback": ["bestsellers"]}, placement="email_weekly")
    app = app_with(tmp_path, artifacts, trial=trial)
    body = {"placement": "email_weekly", "expires_at": "2099-01-01T00:00:00Z"}
    assert app.test_client().put("/v1/sends/weekly", headers=MESSAGES, json=body).status_code == 201
    first = [get(app, f"/v1/users/{user}/recommendations?send_id=weekly") for user in SHOPPERS]
    assert {each["experiments"][0]["arm"] for each in first} == {"control", "changed"}
    ended = app_with(tmp_path, artifacts, trial=msgspec.structs.replace(trial, stopped=True))
    assert [get(ended, f"/v1/users/{user}/recommendations?send_id=weekly") for user in SHOPPERS] == first
    assert "experiments" not in get(ended, f"/v1/users/{SHOPPERS[0]}/recommendations?placement=email_weekly")


def test_settings_with_an_experiment_that_cannot_run_are_refused(tmp_path: Path, artifacts: Path) -> None:
    """When the service starts, not when a shopper comes."""
    with pytest.raises(SettingsError, match=r"experiments\.trial, arm control: placement: 'nowhere'"):
        app_with(tmp_path, artifacts, trial=experiment(placement="nowhere"))


def test_lists_for_nobody_are_in_no_experiment(tmp_path: Path, artifacts: Path) -> None:
    """What caches keep for everybody is the same for everybody."""
    app = app_with(tmp_path, artifacts, trial=experiment({"fallback": ["trending", "bestsellers"]}, placement="bestsellers"))
    plain = serve(artifacts).test_client().get("/v1/bestsellers", headers=READ).get_json()
    assert get(app, "/v1/bestsellers")["items"] == plain["items"]
