"""Health, readiness, following snapshots, and metrics."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import msgspec
import pytest

from recsys.live.sqlite.slate_log import FILE as SLATES
from recsys.settings import StateSettings
from recsys.snapshot.store import MANIFEST, current_version, open_snapshot, point_at, publish
from recsys.web.app import create_app
from recsys.web.http.answers import HealthAnswer, ReadyAnswer
from tests.support.servers.intake import intake, send
from tests.support.servers.patience import PATIENCE_SECONDS
from tests.support.servers.serving import ADMIN, ENVIRONMENT, READ, client, serve, serving_settings

HOME = "/v1/users/user-0/recommendations"
LATER = "29991231T000000Z-000000000000"


@pytest.fixture
def own_artifacts(artifacts: Path, tmp_path: Path) -> Path:
    """A copy of the published snapshots that a test may change."""
    return Path(shutil.copytree(artifacts, tmp_path / "artifacts"))


def publish_again(artifacts: Path, version: str = LATER) -> None:
    """Publish what is current once more, as another version."""
    current = current_version(artifacts)
    assert current is not None
    snapshot = open_snapshot(artifacts, current)
    publish(artifacts, msgspec.structs.replace(snapshot.manifest, version=version), snapshot.groups)


def test_health_needs_no_snapshot(tmp_path: Path) -> None:
    """The process answers as long as it can."""
    answer = client(tmp_path).get("/healthz")
    assert answer.status_code == 200
    assert msgspec.json.decode(answer.data, type=HealthAnswer).status == "ok"


def test_ready_says_what_is_served(artifacts: Path) -> None:
    """The version, its moment, and no error."""
    ready = msgspec.json.decode(client(artifacts).get("/readyz").data, type=ReadyAnswer)
    assert ready.snapshot == current_version(artifacts)
    assert (ready.ready, ready.error) == (True, None)


def test_without_a_snapshot_calls_are_503_until_there_is_one(own_artifacts: Path, tmp_path: Path) -> None:
    """The service starts without a snapshot, asks callers to come back, and answers once one is published."""
    empty = tmp_path / "empty"
    app = serve(empty)
    web = app.test_client()
    item = "/v1/items/x/similar"
    for answer in (web.get("/readyz"), web.get(HOME, headers=READ), web.get(item, headers=READ)):
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert answer.content_type == "application/problem+json"
    assert web.post("/v1/recommendations", json={"user_ids": ["a"]}, headers=READ).status_code == 503
    shutil.copytree(own_artifacts, empty)
    app.service.live.refresh()
    assert web.get(HOME, headers=READ).status_code == 200
    assert web.get("/readyz").status_code == 200


def test_a_new_snapshot_goes_live(own_artifacts: Path) -> None:
    """After a publish the next look takes the new version, and the metrics count it."""
    app = serve(own_artifacts)
    publish_again(own_artifacts)
    app.service.live.refresh()
    app.service.live.report()
    assert app.test_client().get(HOME, headers=READ).get_json()["snapshot"] == LATER
    metrics = app.service.metrics.text().decode()
    assert "recsys_snapshot_reloads_total 2.0" in metrics
    assert f'recsys_snapshot_workers{{version="{LATER}"}} 1.0' in metrics


def test_a_truncated_snapshot_does_not_go_live(own_artifacts: Path) -> None:
    """A damaged file keeps the old version serving; readiness says which file, and the metrics count the failure."""
    app = serve(own_artifacts)
    before = current_version(own_artifacts)
    publish_again(own_artifacts)
    damaged = own_artifacts / LATER / "catalog" / "price.npy"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    app.service.live.refresh()
    ready = msgspec.json.decode(app.test_client().get("/readyz").data, type=ReadyAnswer)
    assert (ready.ready, ready.snapshot) == (True, before)
    assert "catalog/price.npy" in (ready.error or "")
    assert "recsys_snapshot_reload_failures_total 1.0" in app.service.metrics.text().decode()


def test_a_service_that_starts_with_a_truncated_snapshot_says_so(own_artifacts: Path) -> None:
    """Nothing half is served: 503, with the reason in readiness."""
    version = current_version(own_artifacts)
    assert version is not None
    (own_artifacts / version / MANIFEST).write_bytes(b"{")
    web = client(own_artifacts)
    assert MANIFEST in web.get("/readyz").get_json()["detail"]
    assert web.get(HOME, headers=READ).status_code == 503


def test_the_reloading_thread_follows_and_ends(own_artifacts: Path) -> None:
    """A started worker takes new versions by itself and stops when it is told."""
    app = serve(own_artifacts)
    publish_again(own_artifacts)
    live = app.service.live
    live.start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while live.serving().engine.snapshot.version != LATER:
        assert time.monotonic() < deadline
    live.stop()
    before = current_version(own_artifacts)
    point_at(own_artifacts, sorted(path.name for path in own_artifacts.glob("2*"))[0])
    assert current_version(own_artifacts) != before
    assert live.serving().engine.snapshot.version == LATER


def test_metrics_count_requests_slates_and_fallbacks(artifacts: Path) -> None:
    """Requests stand under their call and status, never under an address; slates under placement and fallback."""
    web = client(artifacts)
    web.get("/v1/users/nobody/recommendations?limit=2", headers=READ)
    web.get("/v1/users/nobody/recommendations?limit=0", headers=READ)
    web.get("/nowhere/nobody", headers=READ)
    answer = web.get("/metrics", headers=ADMIN)
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain")
    route = 'route="/v1/users/{user_id}/recommendations"'
    assert f'recsys_requests_total{{{route},status="200"}} 1.0' in answer.text
    assert f'recsys_requests_total{{{route},status="400"}} 1.0' in answer.text
    assert 'recsys_requests_total{route="other",status="404"} 1.0' in answer.text
    assert f"recsys_request_seconds_count{{{route}}} 2.0" in answer.text
    assert 'recsys_slates_total{placement="home"} 1.0' in answer.text
    assert 'recsys_fallbacks_total{fallback="trending",placement="home"} 1.0' in answer.text
    assert "nobody" not in answer.text


def test_the_worker_is_named_in_development_only(artifacts: Path) -> None:
    """X-Recsys-Worker is for developers."""
    assert "X-Recsys-Worker" not in client(artifacts).get("/healthz").headers
    assert client(artifacts, development=True).get("/healthz").headers["X-Recsys-Worker"].isdigit()


def test_a_log_that_was_deleted_is_not_ready(artifacts: Path, tmp_path: Path) -> None:
    """Without the log that it had open a worker takes no event and gives no list; /readyz says why, without a path of the machine."""
    app = intake(artifacts, tmp_path)
    event = {"events": [{"user_id": "ann", "event_type": "home_view"}]}
    assert send(app, event).status_code == 202
    assert app.test_client().get("/readyz").status_code == 200
    for each in (tmp_path / "state").glob("log.sqlite3*"):
        each.unlink()
    answer = app.test_client().get("/readyz")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "state/log.sqlite3: was deleted while the service had it open" in answer.get_json()["detail"]
    assert str(tmp_path) not in answer.text
    assert send(app, event).status_code == app.test_client().get(HOME, headers=READ).status_code == 503
    assert not (tmp_path / "state" / "log.sqlite3").exists()


def test_slates_that_are_given_up_are_counted(artifacts: Path, tmp_path: Path) -> None:
    """A worker that ends while slates cannot be logged says how many it gave up; answers go on meanwhile."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / SLATES).write_bytes(b"no database" * 1_000)
    settings = msgspec.structs.replace(
        serving_settings(artifacts), state=StateSettings(folder=str(tmp_path / "state"), slate_share=1.0)
    )
    app = create_app(settings, ENVIRONMENT)
    app.service.live.start()
    for _ in range(3):
        assert app.test_client().get(HOME, headers=READ).status_code == 200
    app.service.live.stop()
    assert "recsys_slates_unlogged_total 3.0" in app.test_client().get("/metrics", headers=ADMIN).text
