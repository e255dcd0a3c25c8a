"""Small doors that an attacker tries: each closed, each by name."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

import pytest

from recsys.settings import RateLimit
from recsys.snapshot.store import current_version
from recsys.types import SettingsError
from recsys.web.app import create_app
from recsys.web.serving import rate_limits
from recsys.web.serving.rate_limits import RateLimits
from tests.support.servers.patience import PATIENCE_SECONDS
from tests.support.servers.running import Server, start, stop
from tests.support.servers.serving import ADMIN, ENVIRONMENT, READ, READ_KEY, bearer, client, serve, serving_settings, token

HOME = "/v1/users/user-0/recommendations"


@pytest.fixture(scope="module")
def server(artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The service with one worker."""
    running = start(tmp_path_factory.mktemp("hard"), artifacts, "--workers", "1", web='prefix = "/recs"')
    yield running
    assert stop(running) == 0


def raw(server: Server, request_bytes: bytes) -> bytes:
    """Send bytes as they are, and read the answer to its end."""
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE_SECONDS) as stream:
        stream.sendall(request_bytes)
        got = b""
        while chunk := stream.recv(65536):
            got += chunk
        return got


@pytest.mark.long
def test_a_key_in_a_broken_header_is_not_logged(server: Server) -> None:
    """A header without its colon is a 400 whose text is repeated neither to the caller nor in the log."""
    answer = raw(server, f"GET /healthz HTTP/1.1\r\nHost: x\r\nAuthorization Bearer {READ_KEY}\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 400")
    assert READ_KEY.encode() not in answer
    log = (server.folder / "out").read_text()
    assert READ_KEY not in log
    assert "Invalid request" in log


def test_bad_chunks_are_the_callers_fault(server: Server) -> None:
    """A chunk whose size is no number is 400, not an error of ours."""
    head = f"POST /v1/slates HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {READ_KEY}\r\n"
    body = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n"
    assert raw(server, (head + body).encode()).startswith(b"HTTP/1.1 400")
    assert "Traceback" not in (server.folder / "out").read_text()


@pytest.mark.parametrize("header", ["SCRIPT_NAME", "Script-Name", "X-Script-Name"])
def test_no_header_moves_the_service(server: Server, header: str) -> None:
    """A caller cannot say under which path the service runs."""
    assert server.get("/healthz", {header: "/elsewhere"})[0].status == 200


def test_it_answers_under_its_prefix_and_without(server: Server) -> None:
    """`web.prefix` is for proxies that pass the whole path on, as well as for those that cut it."""
    assert [server.get(path)[0].status for path in ("/recs/healthz", "/healthz", f"/recs{HOME}", "/recsys/healthz")] == [
        200,
        200,
        200,
        404,
    ]


def test_a_redirect_names_no_foreign_host(artifacts: Path) -> None:
    """Where a slash is missing, the new address has no host, whatever Host the caller named."""
    answer = client(artifacts).get("/docs", headers={"Host": "evil.example"})
    assert answer.status_code in (301, 308)
    assert answer.headers["Location"] == "/docs/"


def test_no_answer_is_guessed_to_be_something_else(artifacts: Path) -> None:
    """Every answer, also an error, says nosniff."""
    web = client(artifacts)
    for path in ("/healthz", "/docs/", "/nowhere", HOME):
        assert web.get(path).headers["X-Content-Type-Options"] == "nosniff"


def test_a_token_that_calls_too_often_is_asked_to_wait(artifacts: Path) -> None:
    """Beyond a limit the answer is 429 with Retry-After; another shopper and keys go on."""
    settings = serving_settings(
        artifacts, limits=(RateLimit(rate="3/hour"), RateLimit(caller="read", route="/v1/popular", rate="1/hour"))
    )
    web = create_app(settings, ENVIRONMENT).test_client()
    answers = [web.get(HOME, headers=bearer(token("user-0"))) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 3600
    assert web.get("/v1/users/user-1/recommendations", headers=bearer(token("user-1"))).status_code == 200
    assert [web.get(HOME, headers=READ).status_code for _ in range(5)] == [200] * 5
    assert [web.get("/v1/popular", headers=READ).status_code for _ in range(2)] == [200, 429]


def test_a_rate_that_is_none_is_named() -> None:
    """The error names the value and what is allowed."""
    with pytest.raises(SettingsError, match=r"'often' is no rate; allowed: such as 20/second"):
        RateLimits([RateLimit(rate="often")])


def test_windows_that_have_ended_go_without_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many callers come: a thread for them would go through all of them again and again, beside the answers."""
    now, threads = [1000.0], threading.active_count()
    monkeypatch.setattr(rate_limits, "_LEAST_SWEPT", 10)
    monkeypatch.setattr("time.time", lambda: now[0])
    windows = rate_limits._Windows()
    assert [windows.incr(f"first-{caller % 10}", 60) for caller in range(20)] == [1] * 10 + [2] * 10
    now[0] += 60
    assert [windows.incr(f"second-{caller}", 60) for caller in range(10)] == [1] * 10
    assert (windows.get("first-0"), windows.get("second-0"), windows.get_expiry("second-0")) == (0, 1, 1120.0)
    assert len(windows._windows) <= 10
    assert threading.active_count() == threads


def test_files_cut_short_under_the_service_stop_its_answers(artifacts: Path, tmp_path: Path) -> None:
    """A worker notices that a mapped file became shorter, names it, and is not ready any more, instead of dying."""
    own = Path(shutil.copytree(artifacts, tmp_path / "artifacts"))
    app = serve(own)
    web = app.test_client()
    assert web.get("/readyz").status_code == 200
    file = own / str(current_version(own)) / "catalog" / "price.npy"
    os.truncate(file, 0)
    app.service.live.refresh()
    for path in ("/readyz", HOME):
        answer = web.get(path, headers=READ)
        assert answer.status_code == 503
        assert "catalog/price.npy" in answer.get_json()["detail"]
        assert str(tmp_path) not in answer.text


@pytest.mark.long
def test_a_worker_that_dies_of_a_file_cut_short_is_the_last(artifacts: Path, tmp_path: Path) -> None:
    """The kernel ends the worker that reads past the end of a mapped file; the next one names the file before it takes a request."""
    own = Path(shutil.copytree(artifacts, tmp_path / "artifacts"))
    running = start(tmp_path, own, "--workers", "1", reload_seconds=3600)
    assert running.get(HOME)[0].status == 200
    for file in (own / str(current_version(own)) / "catalog").glob("*.npy"):
        os.truncate(file, 0)
    with pytest.raises((OSError, HTTPException)):
        running.get(HOME)
    for path in ("/readyz", HOME):
        answer, body = running.get(path)
        assert answer.status == 503
        assert b"of the snapshot was changed in place; publish again, and never write into a version" in body
    assert stop(running) == 0
    log = (tmp_path / "out").read_text()
    assert "SIGBUS" in log
    assert log.count("was changed in place") >= 1


@pytest.mark.long
def test_telemetry_needs_no_disk(artifacts: Path, tmp_path: Path) -> None:
    """A full disk under the logs and a temporary folder that is gone touch no answer, also of workers that start later."""
    (tmp_path / "out").symlink_to("/dev/full")
    running = start(tmp_path, artifacts, "--workers", "2")
    before = running.from_every_worker("/healthz")
    shutil.rmtree(tmp_path / "tmp")
    for worker in before:
        os.kill(int(worker), signal.SIGKILL)
    answered = [running.from_every_worker(HOME) for _ in range(5)]
    assert not any(before.keys() & each.keys() for each in answered)
    assert running.get("/metrics", ADMIN)[0].status == 200
    assert stop(running) == 0


def test_readiness_tells_no_paths(tmp_path: Path) -> None:
    """Anybody may ask whether the service is ready; nobody learns where its files are."""
    answer = client(tmp_path / "none").get("/readyz")
    assert answer.status_code == 503
    assert str(tmp_path) not in answer.text


@pytest.mark.parametrize(("host", "bind"), [("::1", "[::1]:8123"), ("0.0.0.0", "0.0.0.0:8123")])
def test_an_address_of_ipv6_is_bound_to(host: str, bind: str) -> None:
    """HOST takes both kinds of addresses."""
    assert configured("bind", HOST=host, PORT="8123") == bind


def test_read_only_code_is_compiled_once(tmp_path: Path) -> None:
    """Beside code that may not be written, compiled loops are kept in the folder of live state."""
    (tmp_path / "settings.toml").write_text("")
    stated = configured(
        "os.environ['NUMBA_CACHE_DIR']", "os.access = lambda *_: False", RECSYS_SETTINGS=str(tmp_path / "settings.toml")
    )
    assert stated == str(tmp_path / "state" / "compiled")


def configured(expression: str, first: str = "", **variables: str) -> str:
    """What gunicorn's configuration makes of variables of the environment."""
    program = f"import os\n{first}\nfrom recsys.web.gunicorn_conf import *\nprint({expression})"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
