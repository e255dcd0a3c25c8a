"""The service as it runs: gunicorn with two workers, over real connections."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from recsys.snapshot.store import current_version, open_snapshot, publish
from recsys.web.http.answers import SlateAnswer
from tests.support.servers.patience import PATIENCE_SECONDS
from tests.support.servers.running import Server, start, stop
from tests.support.servers.serving import ADMIN, READ, READ_KEY

HOME = "/v1/users/user-0/recommendations"
LATER = "29991231T000000Z-000000000000"


@pytest.fixture(scope="module")
def server(artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers over the published shop."""
    folder = tmp_path_factory.mktemp("server")
    own = Path(shutil.copytree(artifacts, folder / "artifacts"))
    running = start(folder, own, "--workers", "2", "--access-logfile", str(folder / "access.log"))
    yield running
    stop(running)


@pytest.mark.long
def test_two_workers_answer_the_same_bytes(server: Server) -> None:
    """With now= the answer does not depend on who gives it."""
    bodies = server.from_every_worker(f"{HOME}?now=2026-03-31T12:00:00Z&limit=5", ADMIN)
    assert len(set(bodies.values())) == 1
    assert msgspec.json.decode(next(iter(bodies.values())), type=SlateAnswer).items


@pytest.mark.parametrize(
    ("written", "user_id"),
    [
        ("a%2Fb", "a/b"),
        ("a/b", "a/b"),
        ("a//b", "a//b"),
        ("/a", "/a"),
        ("%20%F0%9F%98%80", " 😀"),
        ("a%252Fb", "a%2Fb"),
        ("a%3Fb%23c", "a?b#c"),
        ("%E2%82%AC" * 85, "€" * 85),
        ("%78" * 256, "x" * 256),
    ],
)
def test_ids_come_through_the_server_unchanged(server: Server, written: str, user_id: str) -> None:
    """Every id of up to 256 bytes has an address, percent-encoded to three times its length."""
    answer, body = server.get(f"/v1/users/{written}/recommendations?limit=1")
    assert answer.status == 200
    assert msgspec.json.decode(body, type=SlateAnswer).user_id == user_id


@pytest.mark.parametrize("written", ["%FF", "a%C3", "%78" * 257, "%00", "%0A", "a%0Db"])
def test_wrong_ids_are_refused(server: Server, written: str) -> None:
    """Broken UTF-8, control characters and 257 bytes are 400 problems."""
    answer, body = server.get(f"/v1/users/{written}/recommendations")
    assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert json.loads(body)["parameter"] == "user_id"


def test_a_request_line_beyond_the_limit_is_refused(server: Server) -> None:
    """What is longer than gunicorn takes is 414; hundreds of exclusions fit into the body of POST /v1/slates."""
    assert server.get(f"/v1/bestsellers?{'exclude=' + 'x' * 100}&" * 80)[0].status == 414


def test_a_chunked_body_beyond_the_limit_is_413(server: Server) -> None:
    """A body without a declared length is bounded too."""
    connection = server.connect()
    headers = {**READ, "Content-Type": "application/json"}
    connection.request("POST", "/v1/slates", iter([b" " * (1 << 16)] * 17), headers, encode_chunked=True)
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Content-Type"]) == (413, "application/problem+json")
    connection.close()


def test_a_bulk_answer_is_streamed(server: Server) -> None:
    """Lines come in chunks, without a length told beforehand."""
    connection = server.connect()
    body = json.dumps({"user_ids": [f"user-{number}" for number in range(500)], "limit": 3})
    connection.request("POST", "/v1/recommendations", body, {**READ, "Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert len(answer.read().splitlines()) == 500
    connection.close()


def test_a_connection_serves_many_requests(server: Server) -> None:
    """Connections are kept alive, after refusals too."""
    connection = server.connect()
    statuses = []
    for address in (HOME, "/nowhere", HOME + "?limit=0", HOME):
        connection.request("GET", address, headers=READ)
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
    assert statuses == [200, 404, 400, 200]
    connection.close()


def test_metrics_are_of_all_workers(server: Server) -> None:
    """Any worker gives the counts of both."""
    server.from_every_worker("/healthz")
    for text in server.from_every_worker("/metrics", ADMIN).values():
        counted = re.search(r'recsys_snapshot_workers{version="([^"]+)"} (\S+)', text.decode())
        assert counted
        assert float(counted[2]) == 2
    requests = re.compile(r'recsys_requests_total{route="/v1/popular",status="200"} (\S+)')
    before = requests.search(server.get("/metrics", ADMIN)[1].decode())
    asked = 0
    seen: set[str] = set()
    while len(seen) < 2:
        seen.add(server.get("/v1/popular")[0].headers["X-Recsys-Worker"])
        asked += 1
    wanted = asked + (float(before[1]) if before else 0)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while float(requests.search(server.get("/metrics", ADMIN)[1].decode())[1]) != wanted:  # type: ignore[index]
        assert time.monotonic() < deadline, "workers show their counts to each other within a second"


def test_the_access_log_has_a_json_line_a_request_and_names_nobody(server: Server) -> None:
    """Method, route, status, bytes and time; no user, address, query or key."""
    server.get("/v1/users/someone-private/recommendations?brand=secret-brand")
    server.get("/nowhere/someone-private")
    log = (server.folder / "access.log").read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    assert set(lines[-1]) == {"time", "method", "route", "status", "bytes", "ms"}
    assert {"/v1/users/{user_id}/recommendations", "other"} <= {line["route"] for line in lines}
    for private in ("someone-private", "secret-brand", READ_KEY, "127.0.0.1"):
        assert private not in log


def test_every_worker_takes_a_new_snapshot(server: Server) -> None:
    """After a publish all workers change over within moments, without a failing request."""
    artifacts = server.folder / "artifacts"
    current = current_version(artifacts)
    assert current is not None
    snapshot = open_snapshot(artifacts, current)
    publish(artifacts, msgspec.structs.replace(snapshot.manifest, version=LATER), snapshot.groups)
    versions: dict[str, str] = {}
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(versions) < 2 or set(versions.values()) != {LATER}:
        assert time.monotonic() < deadline
        answer, body = server.get(HOME)
        assert answer.status == 200
        versions[answer.headers["X-Recsys-Worker"]] = json.loads(body)["snapshot"]
    while (server.folder / "out").read_text().count(f"snapshot {LATER} is live") < 2:
        assert time.monotonic() < deadline


@pytest.mark.long
def test_the_service_ends_clean(artifacts: Path, tmp_path: Path) -> None:
    """After SIGTERM the exit code is 0, no error was logged and nothing is left behind."""
    server = start(tmp_path, artifacts, "--workers", "1")
    assert server.get("/readyz")[0].status == 200
    assert stop(server) == 0
    assert not list((tmp_path / "tmp").iterdir())
    assert "Traceback" not in (tmp_path / "out").read_text()


@pytest.mark.long
def test_an_open_service_does_not_start(artifacts: Path, tmp_path: Path) -> None:
    """auth = "off" is refused before a port is opened, also on a loopback address: a proxy may stand before it."""
    web = 'development = true\nauth = "off"'
    server = start(tmp_path, artifacts, web=web)
    assert server.process.wait(PATIENCE_SECONDS) != 0
    assert "RECSYS_KEYS_READ" in (tmp_path / "out").read_text()
