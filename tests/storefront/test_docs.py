"""The manual of the storefront: its examples run as they stand there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from recsys.web.resources.kit import STATIC
from recsys.web.resources.shoppers.events import BROWSER_TYPES
from tests.support.servers.browser import Recommendations, ShopPages, Watched, wait_for
from tests.support.servers.patience import PATIENCE_SECONDS
from tests.support.servers.ports import free_port
from tests.support.servers.running import ROOT
from tests.support.servers.serving import TOKEN_SECRET, bearer, client

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

MANUAL = (ROOT / "docs" / "storefront.md").read_text()
BLOCKS: list[tuple[str, str]] = re.findall(r"```(\w*)\n(.*?)```", MANUAL, re.DOTALL)
VISITOR = "anon-" + "0123456789abcdef" * 2
SECRETS = {
    "RECSYS_TOKEN_SECRETS": f"k1:{TOKEN_SECRET}, k2:{'another'.ljust(32, '.')}",  # while they are rotated
    "SESSION_SECRET": "s" * 32,
    "RECSYS_SERVICE": "http://127.0.0.1:8000",
}
EXPRESS = ROOT / "clients" / "storefront" / "node_modules" / "express"


def snippet(language: str, part: str) -> str:
    """The one block of the manual in a language that holds a text."""
    [found] = [text for name, text in BLOCKS if name == language and part in text]
    return found


@contextmanager
def running(command: list[str], folder: Path, port: int, path: str, **more: str) -> Iterator[str]:
    """Run a backend until it listens; yields its address."""
    environment = {**os.environ, **SECRETS, "PORT": str(port), "PYTHONPATH": str(ROOT / "clients" / "python"), **more}
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}{path}"
    try:
        wait_for(lambda: process.poll() is not None or ask(address, None)[0])
        assert process.poll() is None
        yield address
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def ask(address: str, body: Any, **headers: str) -> tuple[int, Any]:
    """POST JSON; returns the status (0: nobody listens) and the answer."""
    asked = urllib.request.Request(address, json.dumps(body).encode(), {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(asked, timeout=PATIENCE_SECONDS) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, None
    except OSError:
        return 0, None


def check(address: str, artifacts: Path) -> None:
    """Hold a token endpoint to what the manual promises: visitors get their own token, and nobody chooses a user."""
    status, answer = ask(address, {"anonymous_id": VISITOR})
    assert status == 200
    web = client(artifacts)
    slate = web.get(f"/v1/users/{VISITOR}/recommendations", headers=bearer(answer["token"]))
    assert slate.status_code == 200
    assert web.get("/v1/users/user-0/recommendations", headers=bearer(answer["token"])).status_code == 403
    wrong: list[Any] = [
        {"anonymous_id": "user-0"},
        {"anonymous_id": VISITOR + "\n"},
        {"anonymous_id": [VISITOR, "x"]},
        {},
        None,
        [],
        5,
    ]
    for body in wrong:
        assert ask(address, body)[0] >= 400, body


def test_flask_mints_tokens(artifacts: Path, tmp_path: Path) -> None:
    """The snippet, run by Flask; a shopper who is signed in gets a token of their own id."""
    code = snippet("python", "abort(400)")
    code += '\n\n@app.get("/sign-in")\ndef sign_in():\n    session["user_id"] = "user-0"\n    return "in"\n'
    (tmp_path / "shop.py").write_text(code)
    port = free_port()
    command = [sys.executable, "-m", "flask", "--app", "shop", "run", "--port", str(port)]
    with running(command, tmp_path, port, "/recsys/token") as address:
        check(address, artifacts)
        with urllib.request.urlopen(address.replace("/recsys/token", "/sign-in"), timeout=PATIENCE_SECONDS) as answer:
            cookie = answer.headers["Set-Cookie"].partition(";")[0]
        signed_in = ask(address, {"anonymous_id": VISITOR}, Cookie=cookie)[1]["token"]
    answer = client(artifacts).get("/v1/users/user-0/recommendations", headers=bearer(signed_in))
    assert answer.status_code == 200


@pytest.mark.skipif(not EXPRESS.exists(), reason="run `npm ci` in clients/storefront")
def test_express_mints_tokens(artifacts: Path, tmp_path: Path) -> None:
    """The snippet, run by node; a shopper who is signed in under a number gets a token of it."""
    begun = "const app = express();\n"
    sign_in = "app.use((request, _, next) => { request.session = request.query.signed && { user_id: 7 }; next(); });\n"
    (tmp_path / "shop.mjs").write_text(snippet("js", "node:crypto").replace(begun, begun + sign_in))
    (tmp_path / "node_modules").symlink_to(EXPRESS.parent)
    port = free_port()
    with running(["node", "shop.mjs"], tmp_path, port, "/recsys/token") as address:
        check(address, artifacts)
        signed_in = ask(f"{address}?signed=1", {"anonymous_id": VISITOR})[1]["token"]
    assert client(artifacts).get("/v1/users/7/recommendations", headers=bearer(signed_in)).status_code == 200


@pytest.mark.skipif(not shutil.which("php"), reason="php is not installed")
def test_php_mints_tokens(artifacts: Path, tmp_path: Path) -> None:
    """The snippet, run by PHP's own server; a shopper who is signed in gets a token of their own id."""
    (tmp_path / "token.php").write_text(snippet("php", "session_start"))
    (tmp_path / "in.php").write_text("<?php session_start(); $_SESSION['user_id'] = 'user-0'; echo session_id();")
    (tmp_path / "sessions").mkdir()
    port = free_port()
    command = ["php", "-d", f"session.save_path={tmp_path / 'sessions'}", "-S", f"127.0.0.1:{port}"]
    with running(command, tmp_path, port, "/token.php") as address:
        check(address, artifacts)
        with urllib.request.urlopen(address.replace("token.php", "in.php"), timeout=PATIENCE_SECONDS) as answer:
            session_id = answer.read().decode()
        signed_in = ask(address, {"anonymous_id": VISITOR}, Cookie=f"PHPSESSID={session_id}")[1]["token"]
    answer = client(artifacts).get("/v1/users/user-0/recommendations", headers=bearer(signed_in))
    assert answer.status_code == 200


@pytest.mark.long
@pytest.mark.parametrize(("language", "part"), [("html", "home_view"), ("python", "visitor_token(request.json")])
def test_a_service_that_is_slow_holds_no_page_up(shop: ShopPages, context: BrowserContext, language: str, part: str) -> None:
    """As the manual loads the kit, the page is there before its file is; here that never comes."""
    shop.pages = {"/": "<recsys-list" + snippet(language, part).partition("<recsys-list")[2].partition('"""')[0]}
    context.route("**/static/recsys.js", lambda route: None)  # never answered
    page = context.new_page()
    page.goto(shop.origin, wait_until="load", timeout=20_000)
    assert page.inner_text("recsys-list") in ("Our classics: …", "One moment …")


@pytest.mark.long
def test_a_page_of_your_own_takes_fifteen_lines(artifacts: Path, tmp_path: Path, context: BrowserContext) -> None:
    """The example beside the demo shows a live list in a browser, as it stands in the manual but for the port of the service."""
    code = snippet("python", "visitor_token(request.json")
    assert len([line for line in code.splitlines() if line]) == 15
    port = free_port()
    service = Recommendations(tmp_path, artifacts, [f"http://127.0.0.1:{port}"])
    try:
        (tmp_path / "own.py").write_text(code.replace("http://127.0.0.1:8000", service.origin))
        command = [sys.executable, "-m", "flask", "--app", "own", "run", "--port", str(port)]
        with running(command, tmp_path, port, "/token") as address:
            visit = Watched(context)
            visit.page.goto(address.replace("/token", "/"))
            visit.page.wait_for_selector("recsys-list li[data-item]")
            assert visit.own_errors() == []
    finally:
        service.stop()


def test_the_manual_tells_all_of_the_kit() -> None:
    """Every attribute, exported function, event and class of the kit, and every event that it may track."""
    script = (STATIC / "recsys.js").read_text()
    attributes = re.findall(r'"(\w+)"', re.search(r"observedAttributes = \[(.*)\]", script)[1])  # type: ignore[index]
    functions = re.findall(r"^export (?:async )?function (\w+)", script, re.MULTILINE)
    events = [f"recsys:{name}" for name in re.findall(r'tell\(\w+, "(\w+)"', script)]
    classes = re.findall(r'class: "(recsys-\w+)"', script) + [
        f"recsys-{name}" for name in re.findall(r'button\("(\w+)"', script)
    ]
    assert min(map(len, (attributes, functions, events, classes))) > 1
    assert [word for word in (*attributes, *functions, *events, *classes) if word not in MANUAL] == []
    assert all(f'"{kind}"' in (STATIC / "types.d.ts").read_text() for kind in BROWSER_TYPES)
