"""Page views in a real browser that is reloaded, killed and cut off at random: does every event arrive, and none twice?

`make benchmark-storefront` (needs chromium and the dependency group `browser`). Tabs of a few visitors load pages of a shop, on
another origin than the service's, that track one event each. Every event has a text of its own, so that the service's log says
what arrived, and how often. Views are made in rounds; each ends with tabs whose whole browser is killed. What became of a round's
views is kept in `benchmarks/out/storefront/`: a run that was stopped goes on there, and `--fresh` begins anew.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import secrets
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, get_args

import jwt
from playwright.async_api import Browser, BrowserContext, BrowserType, Error, Page, async_playwright
from rich.console import Console
from rich.table import Table

from benchmarks.http.service import publish_fit, running
from recsys.live.databases import log_in
from recsys.settings.load import load_settings
from recsys.snapshot.store import current_version
from simulator import make_shop, shop_settings

OUT = Path("benchmarks/out")
FOLDER = OUT / "storefront"
SECRET = "storefront-" + "s" * 40
KEY = "storefront-" + "k" * 40
TABS_OF_A_VISITOR = 4
ROUND = 250
"""Views between two kills of the browser."""
SECOND_MS = 1000
PATIENCE_MS = 120_000
VIEW_SECONDS = 180
"""A view that takes longer is given up, and not counted."""
KILLED_WITHIN_SECONDS = 3.0
GOAL = 0.995
PAGE = """<!doctype html><title>shop</title><recsys-list limit="4">ours</recsys-list><script type="module">
import {{ start, track }} from "{service}/static/recsys.js";
start({{ token: "/token", consent: true }});
window.tell = (when) => track("search", {{ query: [new URLSearchParams(location.search).get("n"), when, Math.random()].join(" ") }});
if (location.search) tell(performance.getEntriesByType("navigation")[0].type === "reload" ? "again" : "first");
document.title = "told";
</script>"""

Fate = Literal["stayed", "cut off", "reloaded", "left", "closed", "tab killed", "browser killed"]
WEIGHTS: dict[Fate, float] = {"stayed": 0.5, "cut off": 0.1, "reloaded": 0.1, "left": 0.1, "closed": 0.1, "tab killed": 0.1}
"""What becomes of a page view, and how often: it stays for a second · it loses its connection, tracks, and gets it back · as
soon as it has tracked it is reloaded, left for another page, closed, or its process is killed. At the end of each round the browser
itself is killed with all tabs of a visitor open, up to three seconds after the last of them tracked."""
STAYED: tuple[Fate, ...] = ("stayed", "cut off")
"""Those whose page was open for a second."""


def main() -> int:
    """Run, count, and write storefront.json; returns the exit code, 1 where an event came twice or too few arrived."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--views", type=int, default=10_000, help="page views, with those of earlier runs")
    parser.add_argument("--minutes", type=float, default=120, help="begin no round after so long")
    parser.add_argument("--tabs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--fresh", action="store_true", help="forget the views of earlier runs")
    chosen, chromium = parser.parse_args(), shutil.which("chromium")
    if not chromium:
        Console(stderr=True).print("error: chromium is needed (Debian: apt-get install chromium)")
        return 1
    if chosen.fresh:
        shutil.rmtree(FOLDER, ignore_errors=True)
    measure(chromium, chosen.views, chosen.tabs, chosen.seed, chosen.minutes * 60)
    results = counted(FOLDER, kept_fates(FOLDER))
    (OUT / "storefront.json").write_text(json.dumps(results, indent=1) + "\n")
    show(results)
    return 0 if results["events that came twice"] == 0 and results["arrived of those that stayed a second"] >= GOAL else 1


def measure(chromium: str, views: int, tabs: int, seed: int, seconds: float) -> None:
    """Make page views, round by round, until there are so many or time is up."""
    with shop_pages() as shop:
        settings = prepare(FOLDER, shop.origin)
        with running(settings, KEY, {"RECSYS_TOKEN_SECRETS": f"k1:{SECRET}"}) as service:
            shop.service = f"http://127.0.0.1:{service.port}"
            asyncio.run(rounds(chromium, shop.origin, views, tabs, seed, time.monotonic() + seconds))


async def rounds(chromium: str, origin: str, views: int, tabs: int, seed: int, deadline: float) -> None:
    """Make rounds and keep what became of their views, one line a round."""
    console, began, before = Console(), time.monotonic(), len(kept_fates(FOLDER))
    async with async_playwright() as driver:
        while (done := len(kept_fates(FOLDER))) < views and time.monotonic() < deadline:
            size = min(ROUND, views - done)
            fates = await one_round(driver.chromium, chromium, origin, size, tabs, random.Random(seed + done))
            with (FOLDER / "fates.jsonl").open("a") as file:
                file.write(json.dumps(fates) + "\n")
            done += len(fates)
            rate = (done - before) / (time.monotonic() - began)
            console.print(
                f"{done:,} of {views:,} page views, {rate:.1f} a second, {max(views - done, 0) / rate / 60:.0f} min left"
            )


async def one_round(
    driver: BrowserType, chromium: str, origin: str, size: int, tabs: int, rng: random.Random
) -> dict[str, Fate]:
    """Make views in tabs side by side, then kill the browser with as many open; returns what became of each."""
    name, profile = secrets.token_hex(4), FOLDER / "profile"
    killed = max(1, min(tabs, size // 10))
    async with browser_of(driver, chromium, profile) as (browser, process):
        fates = await click(browser, origin, [f"{name}-{n}" for n in range(size - killed)], tabs, rng)
        fates |= await kill(browser, process, origin, [f"{name}-{n}" for n in range(size - killed, size)], rng)
    async with browser_of(driver, chromium, profile) as (browser, _):
        await settle(await browser.contexts[0].new_page(), origin)
    return fates


@asynccontextmanager
async def browser_of(
    driver: BrowserType, chromium: str, profile: Path
) -> AsyncIterator[tuple[Browser, subprocess.Popen[bytes]]]:
    """Run a browser that keeps a profile on disk, in a group of processes of its own."""
    said = profile / "DevToolsActivePort"
    said.unlink(missing_ok=True)
    command = [chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0"]
    process = subprocess.Popen(
        [*command, f"--user-data-dir={profile.resolve()}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while process.poll() is None and not (said.exists() and "\n" in said.read_text()):
            await asyncio.sleep(0.05)
        yield await driver.connect_over_cdp(f"http://127.0.0.1:{said.read_text().split()[0]}", timeout=PATIENCE_MS), process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class ShopPages:
    """The shop's own server: the same page at every address, and `/token`."""

    def __init__(self) -> None:
        self.service = ""
        shop = self

        class Handler(BaseHTTPRequestHandler):
            """Answers pages and tokens."""

            def do_GET(self) -> None:
                """Answer the page."""
                self._answer("text/html", PAGE.format(service=shop.service))

            def do_POST(self) -> None:
                """Answer a token for the visitor."""
                visitor = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["anonymous_id"]
                now = int(time.time())
                claims = {"sub": visitor, "iat": now, "exp": now + 1800}
                token = jwt.encode(claims, SECRET, algorithm="HS256", headers={"kid": "k1"})
                self._answer("application/json", json.dumps({"token": token}))

            def _answer(self, media: str, body: str) -> None:
                with suppress(OSError):  # tabs are closed while they load
                    self.send_response(200)
                    self.send_header("Content-Type", media)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body.encode())

            def log_message(self, *arguments: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self.server.server_port}"


@contextmanager
def shop_pages() -> Iterator[ShopPages]:
    """The shop's server while it runs."""
    shop = ShopPages()
    threading.Thread(target=shop.server.serve_forever, daemon=True).start()
    yield shop
    shop.server.shutdown()
    shop.server.server_close()


def prepare(folder: Path, origin: str) -> Path:
    """Make, train and publish a small shop unless an earlier run did; returns settings that let pages of that origin call."""
    settings, tables = folder / "settings.toml", folder / "data"
    if current_version(folder / "artifacts") is None:
        make_shop(tables, users=300, end=datetime(2026, 3, 15, tzinfo=UTC))
        settings.write_text(shop_settings())
        publish_fit(load_settings(settings))
    settings.write_text(f'{shop_settings()}[web]\norigins = ["{origin}"]\n')
    return settings


async def click(browser: Browser, origin: str, numbers: list[str], tabs: int, rng: random.Random) -> dict[str, Fate]:
    """Make the views in tabs side by side; returns what became of each that came to track something."""
    fates: dict[str, Fate] = {}
    waiting = iter(numbers)
    visitors = [await browser.new_context() for _ in range(max(1, tabs // TABS_OF_A_VISITOR))]

    async def browse(context: BrowserContext) -> None:
        page = await context.new_page()
        for number in waiting:
            fate = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            try:
                page = await asyncio.wait_for(view(page, f"{origin}/?n={number}", fate), VIEW_SECONDS)
                fates[number] = fate
            except (Error, TimeoutError):  # a tab that died may never answer: it is left as it is
                page = await context.new_page()

    await asyncio.gather(*(browse(visitors[tab % len(visitors)]) for tab in range(tabs)))
    for context in visitors:
        await settle(await context.new_page(), origin)
        await context.close()
    return fates


async def kill(
    browser: Browser, process: subprocess.Popen[bytes], origin: str, numbers: list[str], rng: random.Random
) -> dict[str, Fate]:
    """Open pages of the visitor whose profile it is, and kill the browser with all of its processes."""
    pages = [await browser.contexts[0].new_page() for _ in numbers]

    async def stored(page: Page, number: str) -> None:
        await page.goto(f"{origin}/?n={number}", wait_until="commit", timeout=PATIENCE_MS)
        await page.wait_for_function("document.title === 'told'", timeout=PATIENCE_MS)

    await asyncio.gather(*(stored(page, number) for page, number in zip(pages, numbers, strict=True)))
    await asyncio.sleep(rng.uniform(0, KILLED_WITHIN_SECONDS))
    os.killpg(process.pid, signal.SIGKILL)
    return dict.fromkeys(numbers, "browser killed")


async def view(page: Page, address: str, fate: Fate) -> Page:
    """Open a page and let it meet its fate; returns the tab to go on with."""
    await page.goto(address, wait_until="commit", timeout=PATIENCE_MS)
    await page.wait_for_function("document.title === 'told'", timeout=PATIENCE_MS)
    if fate == "stayed":
        await page.wait_for_timeout(SECOND_MS)
    elif fate == "cut off":
        await cut_off(page)
    elif fate == "reloaded":
        await page.evaluate("location.reload()")
    elif fate == "left":
        await page.evaluate("location.href = '/'")
    elif fate == "closed":
        return await again(page)
    else:
        with suppress(Error):
            await page.goto("chrome://crash")
        return await again(page)
    return page


async def cut_off(page: Page) -> None:
    """Track something without a connection, which comes back while the page is open."""
    session = await page.context.new_cdp_session(page)
    conditions = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    await session.send("Network.emulateNetworkConditions", {"offline": True, **conditions})
    await page.evaluate("tell('offline')")
    await page.wait_for_timeout(SECOND_MS / 2)
    await session.send("Network.emulateNetworkConditions", {"offline": False, **conditions})
    await page.wait_for_timeout(SECOND_MS)


async def again(page: Page) -> Page:
    """Close a tab and open another of the same visitor."""
    context = page.context
    await page.close()
    return await context.new_page()


async def settle(page: Page, origin: str) -> None:
    """Open one more page of a visitor, which sends what others could not, and wait until nothing is left to send."""
    await page.goto(origin, timeout=PATIENCE_MS)
    left = "Object.keys(localStorage).filter(key => key.startsWith('recsys:')).length === 1"
    await page.wait_for_function(left, timeout=PATIENCE_MS)


def kept_fates(folder: Path) -> dict[str, Fate]:
    """What became of the views of all rounds, by their number."""
    file = folder / "fates.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return {number: fate for line in lines for number, fate in json.loads(line).items()}


def counted(folder: Path, fates: dict[str, Fate]) -> dict[str, Any]:
    """Hold what was tracked against the service's log: each view's event, and the one that was tracked without a connection."""
    log = log_in(folder / "state")
    batches = log.events_between(0, 1 << 60)
    texts = Counter(event.query or "" for batch in batches for _, _, event in batch if event.event_type == "search")
    log.close()
    came = {text.rpartition(" ")[0] for text in texts}
    tracked = {fate: [f"{n} first" for n, met in fates.items() if met == fate] for fate in get_args(Fate)}
    tracked["cut off"] += [text.replace("first", "offline") for text in tracked["cut off"]]
    arrived = {fate: sum(text in came for text in of) for fate, of in tracked.items()}
    of_stayed, of_all = sum(len(tracked[fate]) for fate in STAYED), sum(map(len, tracked.values()))
    return {
        "page views": len(fates),
        "events that arrived": len(texts),
        "events that came twice": sum(count > 1 for count in texts.values()),
        **{f"arrived of {fate}": f"{arrived[fate]} of {len(of)}" for fate, of in tracked.items()},
        "arrived of those that stayed a second": round(sum(arrived[fate] for fate in STAYED) / max(of_stayed, 1), 5),
        "arrived of all": round(sum(arrived.values()) / max(of_all, 1), 5),
    }


def show(results: dict[str, Any]) -> None:
    """Print the figures."""
    table = Table(title="Page views in Chromium", title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in results.items():
        table.add_row(name, str(value))
    Console().print(table)


if __name__ == "__main__":
    raise SystemExit(main())
