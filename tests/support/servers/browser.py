"""A real browser, and what stands around it: the shop's own pages on one origin, the service on another."""

from __future__ import annotations

import dataclasses
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from recsys.live.databases import log_in
from recsys.types import Event
from tests.support.servers.intake import EVENTS_KEY
from tests.support.servers.ports import free_port
from tests.support.servers.running import Server, start, stop
from tests.support.servers.serving import token

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Playwright

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PATIENCE_SECONDS = 120
"""How long something is waited for on a machine that has other work too."""
SECRETS = {"RECSYS_KEYS_EVENTS": EVENTS_KEY}
NETWORK = "Failed to load resource"
"""How the browser itself notes a request that failed; no script can keep it from doing so."""


@contextmanager
def started() -> Iterator[Playwright]:
    """Run what drives browsers; there is one in a process."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install --group browser"
    )
    if not CHROMIUM:
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as driver:
        yield driver


@contextmanager
def launched(driver: Playwright, *arguments: str, without: Sequence[str] = ()) -> Iterator[Browser]:
    """Run the system's Chromium without a window; `without` are arguments of the driver's own to leave out."""
    browser = driver.chromium.launch(
        executable_path=CHROMIUM,
        args=["--no-sandbox", *arguments],
        ignore_default_args=list(without),
        timeout=PATIENCE_SECONDS * 1000,
    )
    yield browser
    browser.close()


class ShopPages:
    """The shop's own server: pages by path, and `/token`, which mints tokens as its backend does."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        self.user_id: str | None = None
        """Who is signed in; None: the visitor's anonymous id is taken."""
        self.mint: Callable[[str], str] = token
        self.tokens: list[str] = []
        """All that were given."""
        shop = self

        class Handler(BaseHTTPRequestHandler):
            """Answers from the shop's pages."""

            def do_GET(self) -> None:
                """Answer a page."""
                if self.path == "/favicon.ico":  # which browsers ask for by themselves
                    return self._answer(200, "image/svg+xml", "<svg xmlns='http://www.w3.org/2000/svg'/>")
                page = shop.pages.get(self.path.partition("?")[0])
                media = "text/javascript" if self.path.endswith(".js") else "text/html; charset=utf-8"
                return self._answer(200 if page is not None else 404, media, page or "")

            def do_POST(self) -> None:
                """Answer a token."""
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path != "/token":
                    return self._answer(404, "text/plain", "")
                shop.tokens.append(shop.mint(shop.user_id or asked["anonymous_id"]))
                return self._answer(200, "application/json", json.dumps({"token": shop.tokens[-1]}))

            def _answer(self, status: int, media: str, body: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", media)
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *arguments: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()


class Recommendations:
    """The service on a port of its own, which can be stopped and started again."""

    def __init__(self, folder: Path, artifacts: Path, origins: Sequence[str], more: str = "", port: int = 0) -> None:
        self._folder, self._artifacts, self._origins, self._more = folder, artifacts, list(origins), more
        self.port = port or free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self._server: Server | None = None
        self.start()

    def start(self) -> None:
        """Run, and wait until it answers."""
        web = f"development = true\norigins = {json.dumps(self._origins)}\n{self._more}"
        server = start(self._folder, self._artifacts, web=web, bind=f"127.0.0.1:{self.port}", secrets=SECRETS)
        self._server = dataclasses.replace(server, port=self.port)
        wait_for(self._is_ready)

    def stop(self) -> None:
        """End, as it does when a machine goes down in order."""
        if self._server is not None:
            stop(self._server)
            self._server = None

    def _is_ready(self) -> bool:
        assert self._server is not None
        assert self._server.process.poll() is None, (self._folder / "out").read_text()
        try:
            return self._server.get("/readyz")[0].status == 200
        except OSError:
            return False

    def events(self, *kinds: str) -> list[Event]:
        """All events of these types that were taken, in order."""
        log = log_in(self._folder / "state")
        try:
            found = [event for batch in log.events_between(0, 1 << 60) for _, _, event in batch]
        finally:
            log.close()
        return [event for event in found if event.event_type in kinds]


def wait_for(condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> None:
    """Look until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not come to hold"
        time.sleep(0.02)


class Watched:
    """A page, with all that it asked for and all that went wrong in it."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE_SECONDS * 1000)
        self.errors: list[str] = []
        self.requests: list[tuple[str, str]] = []
        """Addresses with the bodies that were sent there."""
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda said: self.errors.extend([said.text] * (said.type == "error")))
        self.page.on("request", lambda asked: self.requests.append((asked.url, asked.post_data or "")))

    def asked(self, part: str) -> list[str]:
        """The bodies of the requests that had this in their address."""
        return [body for url, body in self.requests if part in url]

    def own_errors(self) -> list[str]:
        """What went wrong in scripts, failed requests aside."""
        return [error for error in self.errors if NETWORK not in error]
