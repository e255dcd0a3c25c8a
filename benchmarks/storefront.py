"""Page views in a real browser that is reloaded, killed and cut off at random: does every event arrive, and none twice?

`make benchmark-storefront` (needs chromium and the dependency group `browser`). Tabs of a few visitors load pages of a shop, on
another origin than the service's, that track one event each. Every event has a text of its own, so that the service's log says
what arrived, and how often.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, get_args

import jwt
from playwright.async_api import BrowserContext, Error, Page, async_playwright
from rich.console import Console
from rich.table import Table

from benchmarks.service import publish_fit, running
from recsys.live.databases import log_in
from recsys.settings.load import load_settings
from simulator import make_shop, shop_settings

OUT = Path("benchmarks/out")
SECRET = "storefront-" + "s" * 40
KEY = "storefront-" + "k" * 40
TABS_OF_A_VISITOR = 4
SECOND_MS = 1000
PAGE = """<!doctype html><title>shop</title><recsys-list limit="4">ours</recsys-list><script type="module">
import {{ start, track }} from "{service}/static/recsys.js";
start({{ token: "/token", consent: true }});
window.tell = () => track("search", {{ query: new URLSearchParams(location.search).get("n") + " " + Math.random() }});
if (location.search) tell();
document.title = "told";
</script>"""

Fate = Literal["stayed", "cut off", "reloaded", "left", "closed", "killed"]
WEIGHTS: dict[Fate, float] = {"stayed": 0.5, "cut off": 0.1, "reloaded": 0.1, "left": 0.1, "closed": 0.1, "killed": 0.1}
"""What becomes of a page view, and how often: it stays for a second · it loses its connection, tracks, and gets it back · as
soon as it has tracked it is reloaded, left for another page, closed, or its process is killed."""
STAYED: tuple[Fate, ...] = ("stayed", "cut off")
"""Those whose page was open for a second."""


def main() -> int:
    """Run, count, and write storefront.json; returns the exit code, 1 where an event came twice or too few arrived."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--views", type=int, default=10_000)
    parser.add_argument("--tabs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=20)
    chosen, chromium = parser.parse_args(), shutil.which("chromium")
    if not chromium:
        Console(stderr=True).print("error: chromium is needed (Debian: apt-get install chromium)")
        return 1
    results = measure(chromium, chosen.views, chosen.tabs, chosen.seed)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "storefront.json").write_text(json.dumps(results, indent=1) + "\n")
    show(results)
    return 0 if results["events that came twice"] == 0 and results["arrived of those that stayed a second"] >= 0.995 else 1


def measure(chromium: str, views: int, tabs: int, seed: int) -> dict[str, Any]:
    """Make so many page views and hold them against the service's log."""
    with tempfile.TemporaryDirectory() as name, shop_pages() as shop:
        settings = prepare(Path(name), shop.origin)
        with running(settings, KEY, {"RECSYS_TOKEN_SECRETS": f"k1:{SECRET}"}) as service:
            shop.service = f"http://127.0.0.1:{service.port}"
            began = time.monotonic()
            fates = asyncio.run(click(chromium, shop.origin, views, tabs, random.Random(seed)))
            return counted(Path(name), fates) | {"seconds": round(time.monotonic() - began)}


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
    """Make, train and publish a small shop whose service pages of that origin may call; returns its settings file."""
    make_shop(folder / "data", users=300, end=datetime(2026, 3, 15, tzinfo=UTC))
    settings = folder / "settings.toml"
    settings.write_text(f'{shop_settings()}[web]\norigins = ["{origin}"]\n')
    publish_fit(load_settings(settings))
    return settings


async def click(chromium: str, origin: str, views: int, tabs: int, rng: random.Random) -> dict[str, Fate]:
    """Make the views in tabs side by side; returns what became of each that came to track something, by its number."""
    fates: dict[str, Fate] = {}
    numbers = iter(range(views))
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        visitors = [await browser.new_context() for _ in range(max(1, tabs // TABS_OF_A_VISITOR))]

        async def browse(context: BrowserContext) -> None:
            page = await context.new_page()
            for number in numbers:
                fate = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
                try:
                    page = await view(page, f"{origin}/?n={number}", fate)
                    fates[str(number)] = fate
                except Error:
                    page = await again(page)

        await asyncio.gather(*(browse(visitors[tab % len(visitors)]) for tab in range(tabs)))
        for context in visitors:
            await settle(await context.new_page(), origin)
        await browser.close()
    return fates


async def view(page: Page, address: str, fate: Fate) -> Page:
    """Open a page and let it meet its fate; returns the tab to go on with."""
    await page.goto(address, wait_until="commit")
    await page.wait_for_function("document.title === 'told'", timeout=60_000)
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
    await page.evaluate("tell()")
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
    await page.goto(origin)
    left = "Object.keys(localStorage).filter(key => key.startsWith('recsys:')).length === 1"
    await page.wait_for_function(left, timeout=60_000)


def counted(folder: Path, fates: dict[str, Fate]) -> dict[str, Any]:
    """Hold what was tracked against the service's log: events by their text, views by the number in it."""
    log = log_in(folder / "state")
    batches = log.events_between(0, 1 << 60)
    texts = Counter(event.query or "" for batch in batches for _, _, event in batch if event.event_type == "search")
    log.close()
    arrived = {text.partition(" ")[0] for text in texts}
    by_fate = {fate: [number for number, met in fates.items() if met == fate] for fate in get_args(Fate)}
    shares = {f"arrived of {fate}": f"{sum(n in arrived for n in of)} of {len(of)}" for fate, of in by_fate.items()}
    stayed = [number for fate in STAYED for number in by_fate[fate]]
    return {
        "page views": len(fates),
        "events that arrived": len(texts),
        "events that came twice": sum(count > 1 for count in texts.values()),
        **shares,
        "arrived of those that stayed a second": round(sum(n in arrived for n in stayed) / max(len(stayed), 1), 5),
        "arrived of all": round(sum(n in arrived for n in fates) / max(len(fates), 1), 5),
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
