"""Snapshot lines while serving: opened for the arms that name them, let go of with them, and waited for where they are missing."""

from __future__ import annotations

import gc
import html
import shutil
import weakref
from pathlib import Path
from typing import Any

import msgspec
import pytest

from recsys.live.databases import open_slates
from recsys.settings import Settings
from recsys.settings.experiments import Experiment
from recsys.snapshot.retention import delete, drop_line, lines, point_line
from recsys.snapshot.store import publishing
from recsys.web.app import Application, create_app
from tests.conftest import Shop, busy_events, event
from tests.console.conftest import SECRETS, logged_in
from tests.support.servers.serving import ADMIN, ENVIRONMENT, READ, serving_settings
from training.batch.replay import replay
from training.job.job import Fitted
from training.job.publishing import Publisher

SHOPPERS = [f"user-{number}" for number in range(12)]
PATH = "/v1/users/{}/recommendations?now=2026-03-31T12:00:00Z"
FIRST, SECOND = (f"2099010{day}T000000Z-0000000000a{day}" for day in (1, 2))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """The busy shop under other settings, and with a crowd that has another taste."""
    crowd = [event(f"crowd-{n}", item, "purchase", order_id=f"{n}-{item}") for n in range(9) for item in ("sofa-4", "bag-2")]
    shop = Shop(tmp_path_factory.mktemp("other"), [*busy_events(), *crowd])
    shop.toml += "[blend.lead]\nease = 1.0\n[blend.customer]\nease = 1.0\n"
    return shop.fit()


@pytest.fixture
def folder(tmp_path: Path, artifacts: Path) -> Path:
    """Published snapshots of this test's own."""
    shutil.copytree(artifacts, tmp_path / "artifacts")
    return tmp_path / "artifacts"


def trial(**more: Any) -> Experiment:
    """Half of home is ranked by the line `candidate`."""
    arms = [
        {"name": "control", "share": 0.5},
        {"name": "other", "share": 0.5, "change": {"snapshot": "candidate"}},
    ]
    return msgspec.convert({"placement": "home", "arms": arms, **more}, Experiment)


def settings_of(folder: Path, **experiments: Experiment) -> Settings:
    """Settings over a folder, with state of their own, all of whose lists are logged."""
    settings = serving_settings(folder)
    state = msgspec.structs.replace(settings.state, folder=str(folder.parent / "state"), slate_share=1.0)
    return msgspec.structs.replace(settings, state=state, experiments=experiments)


def app_over(folder: Path, **experiments: Experiment) -> Application:
    """The service as its background thread has it after its first look."""
    app = create_app(settings_of(folder, **experiments), {**ENVIRONMENT, **SECRETS})
    app.service.live.refresh()
    return app


def publish(fitted: Fitted, folder: Path, version: str, line: str = "candidate") -> None:
    """Publish a version to a line."""
    publisher = Publisher(settings_of(folder), line)
    manifest = msgspec.structs.replace(fitted.manifest, version=version)
    publisher.publish(manifest, fitted.groups, lambda folder: None, lambda folder, manifest: manifest)


def get(app: Application, path: str, headers: dict[str, str] = ADMIN) -> dict[str, Any]:
    """What a call answers."""
    answer = app.test_client().get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def slates(app: Application) -> dict[str, dict[str, Any]]:
    """The list of each shopper."""
    return {user: get(app, PATH.format(user)) for user in SHOPPERS}


def test_a_line_ranks_for_its_arm(folder: Path, fitted: Fitted) -> None:
    """Its slates name the version, others are those of before, and both shapes of the arm are told by explain and replay."""
    plain = slates(app_over(folder))
    publish(fitted, folder, FIRST)
    app = app_over(folder, trial=trial())
    found = slates(app)
    arms = {user: slate["experiments"][0] for user, slate in found.items()}
    assert {each["arm"]: each.get("snapshot") for each in arms.values()} == {"control": None, "other": FIRST}
    for user, slate in found.items():
        assert slate["snapshot"] == plain[user]["snapshot"]
        if arms[user]["arm"] == "control":
            assert slate["items"] == plain[user]["items"]
        stated = get(app, f"/v1/users/{user}/explain?item_id={slate['items'][0]['item_id']}&now=2026-03-31T12:00:00Z")
        assert (stated["place"], stated["experiments"]) == (1, [arms[user]])
    assert any(slate["items"] != plain[user]["items"] for user, slate in found.items())
    app.service.live.slates.stop()
    for user in SHOPPERS:
        assert replay(settings_of(folder), found[user]["recommendation_id"], as_json=True) == 0


def test_a_line_follows_its_newest_version(folder: Path, fitted: Fitted) -> None:
    """The next look takes it, and nobody changes arm."""
    publish(fitted, folder, FIRST)
    app = app_over(folder, trial=trial())
    before = {user: slate["experiments"][0]["arm"] for user, slate in slates(app).items()}
    publish(fitted, folder, SECOND)
    app.service.live.refresh()
    found = slates(app)
    assert {user: slate["experiments"][0]["arm"] for user, slate in found.items()} == before
    assert {slate["experiments"][0].get("snapshot") for slate in found.values()} == {None, SECOND}


def test_without_its_line_an_experiment_waits(folder: Path, fitted: Fitted) -> None:
    """Everybody is answered by the serving snapshot, which the slate, readiness and metrics say; nobody is exposed; it runs once the
    line is there."""
    plain = slates(app_over(folder))
    app = app_over(folder, trial=trial())
    for user, slate in slates(app).items():
        assert "experiments" not in get(app, f"/v1/users/{user}/recommendations", READ)
        assert slate["notices"] == ["experiment trial: a snapshot line cannot be used, so that no arm answers"]
        assert slate["items"] == plain[user]["items"]
    assert app.service.live.state.experiments.by_arm("trial") == {}
    assert "the snapshot line 'candidate' cannot be used" in get(app, "/readyz")["error"]
    assert b"recsys_snapshot_line_failures_total 1.0" in app.service.metrics.text()
    publish(fitted, folder, FIRST)
    app.service.live.refresh()
    assert all("experiments" in slate for slate in slates(app).values())
    assert get(app, "/readyz")["error"] is None


def test_a_broken_version_is_not_ranked_with(folder: Path, fitted: Fitted) -> None:
    """The line's version before goes on, and it is said; files cut short under a worker end it."""
    publish(fitted, folder, FIRST)
    app = app_over(folder, trial=trial())
    publish(fitted, folder, SECOND)
    file = folder / SECOND / "ease" / "items.npy"
    file.write_bytes(file.read_bytes()[:-3])
    app.service.live.refresh()
    app.service.live.refresh()
    assert {slate["experiments"][0].get("snapshot") for slate in slates(app).values()} == {None, FIRST}
    assert "its version before goes on" in get(app, "/readyz")["error"]
    assert b"recsys_snapshot_line_failures_total 1.0" in app.service.metrics.text()
    cut = next((folder / FIRST / "ease").glob("*.npy"))
    cut.rename(cut.with_suffix(".kept"))
    cut.write_bytes(b"")
    app.service.live.refresh()
    assert all("experiments" not in slate for slate in slates(app).values())


def test_a_purged_version_ranks_no_longer(folder: Path, fitted: Fitted) -> None:
    """The line's version before it ranks, else the experiment waits: also where only the folder went, and the line still names it."""
    publish(fitted, folder, FIRST)
    publish(fitted, folder, SECOND)
    app = app_over(folder, trial=trial())
    delete(folder, SECOND)
    app.service.live.refresh()
    assert {slate["experiments"][0].get("snapshot") for slate in slates(app).values()} == {None, FIRST}
    shutil.rmtree(folder / FIRST)
    app.service.live.refresh()
    assert all("experiments" not in slate for slate in slates(app).values())
    assert "no training has published to it" in get(app, "/readyz")["error"]


def test_a_stopped_experiment_lets_its_line_go(folder: Path, fitted: Fitted) -> None:
    """Declared and stopped while serving: a line that is not there is refused, and nothing of it stays in memory afterwards."""
    app = app_over(folder)
    client, body = app.test_client(), msgspec.to_builtins(trial())
    answer = client.put("/v1/experiments/trial", headers=ADMIN, json=body)
    assert (answer.status_code, answer.get_json()["parameter"]) == (400, "snapshot")
    publish(fitted, folder, FIRST)
    assert client.put("/v1/experiments/trial", headers=ADMIN, json=body).status_code == 201
    assert all("experiments" not in slate for slate in slates(app).values())
    app.service.live.refresh()
    assert all("experiments" in slate for slate in slates(app).values())
    opened = weakref.ref(app.service.live.lines._opened["candidate"].catalog)
    assert client.delete("/v1/experiments/trial", headers=ADMIN).status_code == 200
    app.service.live.refresh()
    assert all("experiments" not in slate for slate in slates(app).values())
    gc.collect()
    assert opened() is None
    assert lines(folder) == {"candidate": (FIRST,)}


def test_a_line_of_broken_versions_is_refused(folder: Path, fitted: Fitted) -> None:
    """None can rank, so the experiment would wait for ever; one whole version before them is enough."""
    app = app_over(folder)
    client, body = app.test_client(), msgspec.to_builtins(trial())
    for version in (FIRST, SECOND):
        publish(fitted, folder, version)
    whole = (folder / FIRST / "ease" / "items.npy").read_bytes()
    (folder / FIRST / "ease" / "items.npy").write_bytes(whole[:-3])
    (folder / SECOND / "manifest.json").write_text("{")
    answer = client.put("/v1/experiments/trial", headers=ADMIN, json=body)
    assert (answer.status_code, answer.get_json()["parameter"]) == (400, "snapshot")
    assert f"none of its 2 versions can be used; snapshot {SECOND}: manifest.json" in answer.get_json()["detail"]
    assert app.service.live.state.experiments.declared() == {}
    (folder / FIRST / "ease" / "items.npy").write_bytes(whole)
    answer = client.put("/v1/experiments/trial", headers=ADMIN, json=body)
    assert answer.status_code == 201
    assert answer.get_json()["problem"].endswith("the snapshot line 'candidate' cannot be used: it is not open yet")
    app.service.live.refresh()
    assert get(app, "/v1/experiments/trial")["problem"] is None
    assert {slate["experiments"][0].get("snapshot") for slate in slates(app).values()} == {None, FIRST}


def test_contents_that_were_changed_are_told_once_they_are_opened(folder: Path, fitted: Fitted) -> None:
    """Nobody reads whole versions while somebody waits for an answer: the experiment is declared, waits, and says why; the next time
    it is refused at once."""
    app = app_over(folder)
    client, body = app.test_client(), msgspec.to_builtins(trial())
    publish(fitted, folder, FIRST)
    file = folder / FIRST / "ease" / "items.npy"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    assert client.put("/v1/experiments/trial", headers=ADMIN, json=body).status_code == 201
    app.service.live.refresh()
    problem = get(app, "/v1/experiments/trial")["problem"]
    assert "ease/items.npy was changed after it was written" in problem
    assert all("experiments" not in slate for slate in slates(app).values())
    assert app.service.live.state.experiments.by_arm("trial") == {}
    page = logged_in(app, "viewer").get("/console/experiments?experiment=trial").text
    assert "does not run" in page
    assert problem in html.unescape(page)
    assert problem in html.unescape(logged_in(app, "viewer").get("/console/experiments").text)
    answer = client.put("/v1/experiments/second", headers=ADMIN, json={**body, "placement": "pdp"})
    assert answer.status_code == 400
    assert "was changed after it was written" in answer.get_json()["detail"]


def test_a_line_goes_on_over_the_next_snapshot(folder: Path, fitted: Fitted, artifacts: Path) -> None:
    """Another snapshot that goes live is ranked for by the same line; one that is the line's own makes both arms alike, which counts
    nobody."""
    publish(fitted, folder, FIRST)
    app = app_over(folder, trial=trial())
    slates(app)
    (folder / "CURRENT").write_text(FIRST)
    app.service.live.refresh()
    assert {slate["snapshot"] for slate in slates(app).values()} == {FIRST}
    assert all("experiments" not in slate for slate in slates(app).values())
    with publishing(folder):
        serving = next(path.parent.name for path in artifacts.glob("*/manifest.json"))
        point_line(folder, serving, "candidate")
    app.service.live.refresh()
    assert {slate["experiments"][0].get("snapshot") for slate in slates(app).values()} == {None, serving}
    drop_line(folder, "candidate")
    app.service.live.refresh()
    assert all("experiments" not in slate for slate in slates(app).values())


def test_two_trainings_in_one_list(folder: Path, fitted: Fitted) -> None:
    """Interleaved with a line, a list says which snapshots ranked, and is answered again the same."""
    publish(fitted, folder, FIRST)
    app = app_over(folder, trial=trial(kind="interleaved"))
    found = {user: get(app, f"/v1/users/{user}/recommendations", READ) for user in SHOPPERS}
    mixed = [slate for slate in found.values() if "experiments" in slate]
    assert mixed
    for slate in mixed:
        assert slate["experiments"] == [
            {"id": "trial", "arm": "interleaved"},
            {"id": "trial", "arm": "interleaved", "snapshot": FIRST},
        ]
    app.service.live.slates.stop()
    settings = settings_of(folder)
    assert {head.beside is not None for head in open_slates(settings).heads()} == {True}
    for slate in mixed:
        assert replay(settings, slate["recommendation_id"], as_json=True) == 0
