"""Experiments over HTTP: which arm answered stands in slates, explanations and pinned slates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from werkzeug.test import TestResponse

from recsys.live.databases import open_slates
from recsys.settings import StateSettings
from recsys.settings.experiments import Experiment
from recsys.types import SettingsError
from recsys.web.app import Application, create_app
from tests.support.servers.serving import ADMIN, ENVIRONMENT, MESSAGES_KEY, READ, bearer, serve, serving_settings

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
        address = f"/v1/users/{user}/recommendations?now=2026-03-31T12:00:00Z"
        one, other = (each.test_client().get(address, headers=ADMIN).data for each in apps)
        assert one == other


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


def test_interleaved_lists_are_all_logged_and_never_sent(tmp_path: Path, artifacts: Path) -> None:
    """Whatever share of pages is logged, with who picked each item; the send of the same placement is of no experiment."""
    app = app_with(tmp_path, artifacts, trial=experiment(kind="interleaved"))
    slates = [get(app, f"/v1/users/{user}/recommendations") for user in SHOPPERS]
    mixed = {each["recommendation_id"] for each in slates if "experiments" in each}
    assert len(mixed) > 5
    assert {each["experiments"][0]["arm"] for each in slates if "experiments" in each} == {"interleaved"}
    state = msgspec.structs.replace(serving_settings(artifacts).state, folder=str(tmp_path / "state"))
    heads = open_slates(msgspec.structs.replace(serving_settings(artifacts), state=state)).heads()
    logged = {head.recommendation_id: head for head in heads if head.beside is not None}
    assert {*logged} == mixed
    assert all(len(head.beside.teams) == len(head.shown) for head in logged.values() if head.beside)
    body = {"placement": "home", "limit": 4, "expires_at": "2099-01-01T00:00:00Z"}
    assert app.test_client().put("/v1/sends/spring", headers=MESSAGES, json=body).status_code == 201
    for user in SHOPPERS:
        assert "experiments" not in get(app, f"/v1/users/{user}/recommendations?send_id=spring")


def test_settings_with_an_experiment_that_cannot_run_are_refused(tmp_path: Path, artifacts: Path) -> None:
    """When the service starts, not when a shopper comes."""
    with pytest.raises(SettingsError, match=r"experiments\.trial, arm control: placement: 'nowhere'"):
        app_with(tmp_path, artifacts, trial=experiment(placement="nowhere"))


def test_lists_for_nobody_are_in_no_experiment(tmp_path: Path, artifacts: Path) -> None:
    """What caches keep for everybody is the same for everybody."""
    app = app_with(tmp_path, artifacts, trial=experiment({"fallback": ["trending", "bestsellers"]}, placement="bestsellers"))
    plain = serve(artifacts).test_client().get("/v1/bestsellers", headers=READ).get_json()
    assert get(app, "/v1/bestsellers")["items"] == plain["items"]


def declare(app: Application, name: str = "trial", **changes: Any) -> TestResponse:
    """Declare an experiment on home."""
    body = msgspec.to_builtins(experiment({"fallback": ["bestsellers"]})) | changes
    return app.test_client().put(f"/v1/experiments/{name}", headers=ADMIN, json=body)


def turned(change: dict[str, Any]) -> dict[str, Any]:
    """Members of a declaration, the second arm with a change."""
    return {"arms": [{"name": "a", "share": 0.5}, {"name": "b", "share": 0.5, "change": change}]}


def arms(app: Application) -> dict[str, str | None]:
    """The arm of each shopper's slate."""
    slates = {user: get(app, f"/v1/users/{user}/recommendations") for user in SHOPPERS}
    return {user: slate["experiments"][0]["arm"] if "experiments" in slate else None for user, slate in slates.items()}


def test_an_experiment_is_declared_while_the_service_runs(tmp_path: Path, artifacts: Path) -> None:
    """It answers from then on, in every worker; deleted it answers nobody, and is still told."""
    app, other = app_with(tmp_path, artifacts), app_with(tmp_path, artifacts)
    assert set(arms(app).values()) == {None}
    assert declare(app).status_code == 201
    assert declare(app).status_code == 200
    other.service.live.refresh()
    assert set(arms(app).values()) == {"control", "changed"}
    assert arms(other) == arms(app)
    stated = get(other, "/v1/experiments/trial", ADMIN)
    assert (stated["id"], stated["experiment"]["placement"], stated["experiment"]["stopped"]) == ("trial", "home", False)
    deleted = app.test_client().delete("/v1/experiments/trial", headers=ADMIN)
    assert (deleted.status_code, deleted.get_json()["experiment"]["stopped"]) == (200, True)
    assert set(arms(app).values()) == {None}


def test_declared_anew_under_its_name_it_goes_on(tmp_path: Path, artifacts: Path) -> None:
    """Who was in an arm before it was deleted is in it again, and is counted once; other arms need another salt."""
    app = app_with(tmp_path, artifacts)
    assert declare(app).status_code == 201
    before, counts = arms(app), app.service.live.state.experiments.by_arm("trial")
    app.test_client().delete("/v1/experiments/trial", headers=ADMIN)
    assert set(arms(app).values()) == {None}
    assert declare(app, arms=[{"name": "control", "share": 0.9}, {"name": "changed", "share": 0.1}]).status_code == 409
    assert declare(app).status_code == 200
    assert (arms(app), app.service.live.state.experiments.by_arm("trial")) == (before, counts)


def test_more_traffic_keeps_everybody(tmp_path: Path, artifacts: Path) -> None:
    """From few to all: those who were in keep their arm; less traffic and other shares are refused."""
    app = app_with(tmp_path, artifacts)
    assert declare(app, traffic=0.4).status_code == 201
    few = {user: arm for user, arm in arms(app).items() if arm}
    assert 0 < len(few) < len(SHOPPERS)
    assert declare(app, traffic=1.0).status_code == 200
    everybody = arms(app)
    assert None not in everybody.values()
    assert {user: everybody[user] for user in few} == few
    refused = [
        declare(app, traffic=0.5),
        declare(app, holdout=0.1),
        declare(app, kind="interleaved"),
        declare(app, arms=[{"name": "control", "share": 0.9}, {"name": "changed", "share": 0.1}]),
    ]
    assert [(each.status_code, each.get_json()["parameter"]) for each in refused] == [
        (409, "traffic"),
        (409, "holdout"),
        (409, "kind"),
        (409, "arms"),
    ]
    assert declare(app, traffic=0.5, salt="again").status_code == 200


@pytest.mark.parametrize(
    ("name", "changes", "status", "says"),
    [
        ("trial", {"placement": "nowhere"}, 400, "'nowhere' is not allowed"),
        ("trial", {"arms": [{"name": "a", "share": 1.0}]}, 400, "arms"),
        ("trial", {"shares": 1}, 400, "shares"),
        ("Trial", {}, 400, "id"),
        ("fixed", {}, 409, "stands in the settings file"),
        (
            "trial",
            {"arms": [{"name": "a", "share": 0.5}, {"name": "b", "share": 0.5, "change": LEADS}]},
            400,
            "both change rules",
        ),
        ("trial", turned({"filter": {"colour": {"any": ["red"]}}}), 400, "attributes.colour: is no attribute of items"),
        ("trial", turned({"campaigns_off": ["winter"]}), 400, "'winter'"),
    ],
)
def test_what_cannot_run_is_refused(
    tmp_path: Path, artifacts: Path, name: str, changes: dict[str, Any], status: int, says: str
) -> None:
    """An unknown placement, arms that are none, unknown members, and one that meets another: the answer says which."""
    answer = declare(app_with(tmp_path, artifacts, fixed=experiment()), name, **changes)
    assert (answer.status_code, says in answer.text) == (status, True), answer.text


def test_only_admins_declare(tmp_path: Path, artifacts: Path) -> None:
    """A read key neither sees nor changes experiments."""
    web = app_with(tmp_path, artifacts).test_client()
    assert web.get("/v1/experiments/trial", headers=READ).status_code == 403
    assert web.get("/v1/experiments/trial", headers=ADMIN).status_code == 404


def test_exposures_are_counted_and_written_once(tmp_path: Path, artifacts: Path) -> None:
    """However often a shopper is answered, by whichever worker: one row, one count."""
    app = app_with(tmp_path, artifacts, trial=experiment({"fallback": ["bestsellers"]}))
    for _ in range(2):
        found = arms(app)
    other = arms(app_with(tmp_path, artifacts, trial=experiment({"fallback": ["bestsellers"]})))
    assert other == found
    rows = [each for batch in app.service.live.state.experiments.exposures("trial") for each in batch]
    assert {each.unit: each.arm for each in rows} == found
    counted = app.test_client().get("/metrics", headers=ADMIN).text
    total = sum(
        float(line.rpartition(" ")[2]) for line in counted.splitlines() if line.startswith("recsys_exposures_total{")
    )
    assert total == len(SHOPPERS)


def test_a_look_at_another_moment_exposes_nobody(tmp_path: Path, artifacts: Path) -> None:
    """An admin who asks as of a moment sees the arm's list, and the shopper is not counted."""
    app = app_with(tmp_path, artifacts, trial=experiment({"fallback": ["bestsellers"]}))
    seen = get(app, "/v1/users/user-1/recommendations?now=2026-03-31T12:00:00Z", ADMIN)
    assert "experiments" in seen
    assert list(app.service.live.state.experiments.exposures("trial")) == []


def test_where_an_exposure_cannot_be_written_no_experiment_answers(tmp_path: Path, artifacts: Path) -> None:
    """The list is that of no experiment, and nothing says that an arm answered."""
    settings = serving_settings(artifacts)
    state = StateSettings(folder="/proc/no-folder-can-be-made-here", slate_share=0.0)
    trials = {"trial": experiment({"fallback": ["bestsellers"]})}
    app = create_app(msgspec.structs.replace(settings, state=state, experiments=trials), ENVIRONMENT)
    plain = app_with(tmp_path, artifacts)
    for user in SHOPPERS:
        slate = get(app, f"/v1/users/{user}/recommendations")
        assert "experiments" not in slate
        shown, expected = (  # scores have decayed by a moment in between
            [item["item_id"] for item in each["items"]] for each in (slate, get(plain, f"/v1/users/{user}/recommendations"))
        )
        assert shown == expected
