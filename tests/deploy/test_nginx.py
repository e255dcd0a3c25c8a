"""The nginx of deploy/ in front of two nodes: what it passes on, keeps, retries and logs."""

from __future__ import annotations

import getpass
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.servers.patience import PATIENCE_SECONDS
from tests.support.servers.ports import free_port
from tests.support.servers.running import ROOT, Server, start, stop
from tests.support.servers.serving import ADMIN, READ

HOME = "/v1/users/user-0/recommendations"


@pytest.fixture(scope="module")
def nodes(artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    """Two nodes of one worker each."""
    running = [start(tmp_path_factory.mktemp(name), artifacts, "--workers", "1") for name in ("node1", "node2")]
    for node in running:
        assert node.get("/readyz")[0].status == 200
    yield running
    for node in running:
        stop(node)


@pytest.fixture(scope="module")
def front(nodes: list[Server], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Nginx with deploy/nginx.conf, in which only names of hosts and the port are others."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed")
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    for name, node in zip(("node1", "node2"), nodes, strict=True):
        text = text.replace(f"server {name}:8000", f"server 127.0.0.1:{node.port}")
    text = text.replace("listen 8080", f"listen 127.0.0.1:{port}").replace("/dev/stdout", str(folder / "log"))
    text = text.replace("/dev/stderr", str(folder / "errors")).replace(
        "http {", f"pid {folder}/pid;\nhttp {{{temporary(folder)}", 1
    )
    (folder / "nginx.conf").write_text(text)
    process = subprocess.Popen(
        [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", f"daemon off; user {getpass.getuser()};"]
    )
    wait_for(port, process)
    yield Server(process, port, folder)
    process.send_signal(signal.SIGQUIT)
    assert process.wait(PATIENCE_SECONDS) == 0


def temporary(folder: Path) -> str:
    """Folders for what nginx buffers, for it runs here without a system's own."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return "".join(f"\n  {kind}_temp_path {folder}/{kind};" for kind in kinds)


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return once somebody listens on a port; fails if the process ends first."""
    while True:
        assert process.poll() is None
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            try:
                process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue


@pytest.mark.long
def test_lists_come_through(front: Server) -> None:
    """A list is what the node answered, over a connection that is kept."""
    connection = HTTPConnection("127.0.0.1", front.port, timeout=PATIENCE_SECONDS)
    for _ in range(2):
        connection.request("GET", HOME, headers=READ)
        answer = connection.getresponse()
        assert answer.status == 200
        assert json.loads(answer.read())["items"]
        assert not answer.will_close
    connection.close()


@pytest.mark.parametrize("user_id", ["a/b", "a//b", "..", "a/../b", "ü 😀", "a?b#c", "100%"])
def test_ids_arrive_as_they_are(front: Server, user_id: str) -> None:
    """An id with slashes, dots or signs is the same id behind nginx."""
    answer, body = front.get(f"/v1/users/{quote(user_id, safe='')}/recommendations")
    assert answer.status == 200
    assert json.loads(body)["user_id"] == user_id


def posted(front: Server, address: str, body: bytes) -> tuple[int, bytes]:
    """POST bytes as JSON, on a connection of its own."""
    connection = front.connect()
    try:
        connection.request("POST", address, body, {"Content-Type": "application/json", **READ})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_too_large_a_body_stops_at_the_door(front: Server) -> None:
    """More than the service takes is 413; what it takes passes."""
    asked = json.dumps({"placements": ["home"], "user_id": "user-0"}).encode()
    assert posted(front, "/v1/slates", asked + b" " * 1_000_000)[0] == 200
    assert posted(front, "/v1/slates", asked + b" " * 1_050_000)[0] == 413


def test_metrics_are_for_the_inside(front: Server, nodes: list[Server]) -> None:
    """A node tells its metrics to a key of an admin; the front knows no such address."""
    assert nodes[0].get("/metrics", ADMIN)[0].status == 200
    assert front.get("/metrics", ADMIN)[0].status == 404


def test_bulk_answers_stream_to_their_end(front: Server) -> None:
    """Every shopper of a bulk call is answered."""
    users = [f"user-{number}" for number in range(300)]
    status, body = posted(front, "/v1/recommendations", json.dumps({"user_ids": users}).encode())
    assert status == 200
    assert [json.loads(line)["user_id"] for line in body.splitlines()] == users


def test_calls_that_are_refused_stop_no_others(front: Server) -> None:
    """Where every node answers some call with 503, both go on answering lists."""
    for _ in range(3):
        connection = front.connect()
        connection.request("DELETE", "/v1/users/user-9", headers=ADMIN)
        assert connection.getresponse().status == 503  # these nodes have no secret for the forgotten
        connection.close()
        assert [front.get(HOME)[0].status for _ in range(4)] == [200] * 4


@pytest.mark.long
@pytest.mark.parametrize("call", ["a list", "a page"])
def test_a_silent_node_costs_a_list_three_seconds(nodes: list[Server], front: Server, call: str) -> None:
    """A node that was cut off with calls on their way says nothing: lists go to the other one, and nobody waits for minutes."""
    page = json.dumps({"user_id": "user-0", "placements": [{"placement": "home"}]}).encode()
    processes = [nodes[0].process.pid, *children(nodes[0])]
    try:
        for each in processes:
            os.kill(each, signal.SIGSTOP)
        began, log = time.monotonic(), front.folder / "log"
        before = log.read_text().count("504, 200")
        for _ in range(20):  # each process of nginx asks nodes in turn
            status = front.get(HOME)[0].status if call == "a list" else posted(front, "/v1/slates", page)[0]
            assert status == 200
            if log.read_text().count("504, 200") > before:
                break
        assert log.read_text().count("504, 200") > before
        assert time.monotonic() - began < PATIENCE_SECONDS / 2
    finally:
        for each in processes:
            os.kill(each, signal.SIGCONT)


def kill_whole(node: Server) -> None:
    """End a node and its workers at once, as a lost machine ends."""
    for process in (node.process.pid, *children(node)):
        os.kill(process, signal.SIGKILL)
    node.process.wait()


def children(node: Server) -> list[int]:
    """The workers of a node."""
    first = node.process.pid
    return [int(each) for each in Path(f"/proc/{first}/task/{first}/children").read_text().split()]


def test_a_killed_node_fails_nobody(artifacts: Path, nodes: list[Server], front: Server, tmp_path: Path) -> None:
    """While a node dies and another takes its place, every reading call is answered."""
    statuses = [front.get(HOME)[0].status for _ in range(10)]
    kill_whole(nodes[1])
    statuses += [front.get(HOME)[0].status for _ in range(50)]
    again = start(tmp_path, artifacts, "--workers", "1", bind=f"127.0.0.1:{nodes[1].port}")
    nodes[1] = replace(again, port=nodes[1].port)
    statuses += [front.get(HOME)[0].status for _ in range(50)]
    assert statuses == [200] * 110


def test_no_log_names_a_shopper(front: Server) -> None:
    """The log has a line a call: no address, no caller, no key."""
    front.get("/v1/users/somebody-known/recommendations?exclude=a-book")
    lines = (front.folder / "log").read_text().splitlines()
    assert lines
    for line in lines:
        assert re.fullmatch(r"\S+ [A-Z]+ \d{3} \d+ [\d.]+ [\d.:, -]+", line), line
