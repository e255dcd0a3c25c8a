"""Pictures of the shop and of the console for the docs: `make pictures`, while `make demo` runs.

Chromium plays the walk of the buyer of watches in the demo's shop, opens pages of the console as an operator, and writes what it sees
to docs/pictures/, a file of at most 150 kB each.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Literal

from playwright.sync_api import Page, sync_playwright

from tests.support.servers.browser import CHROMIUM

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
KEY = "RECSYS_KEYS_CONSOLE_OPERATOR"
LARGEST_BYTES = 150_000
WIDTH, HEIGHT = 1200, 800
SHOP_HEIGHT = 640
PICTURES: tuple[tuple[str, Literal["light", "dark"], str], ...] = (
    ("today", "light", "/"),
    ("shopper", "light", "/shopper"),
    ("item", "dark", "/item"),
    ("placements", "light", "/placements?placement=home"),
    ("moments", "dark", "/moments"),
)
"""Name of the file, colours, and the page; of a search its first result."""
SEARCHES = ("/shopper", "/item")
WALK, LAST_STEP = "Buyer of watches", "7/7"
WALK_MS = 120_000


def main() -> None:
    """Take them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="http://127.0.0.1:8000", help="where the demo answers")
    parser.add_argument("--shop", default="http://127.0.0.1:8001", help="where its shop answers")
    parser.add_argument("--keys", type=Path, default=Path(".demo/keys.env"), help="the keys of the demo")
    chosen = parser.parse_args()
    found = re.search(rf"^{KEY}=(\S+)$", chosen.keys.read_text(), re.MULTILINE)
    if found is None:
        parser.error(f"--keys {chosen.keys}: has no {KEY}")
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        _write("shop", _walked(browser.new_page(viewport={"width": WIDTH, "height": SHOP_HEIGHT}), chosen.shop))
        for name, scheme, path in PICTURES:
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme)
            _log_in(page, f"{chosen.address}/console/login", found[1])
            page.goto(f"{chosen.address}/console{path}")
            if path in SEARCHES:
                page.click("main table td a, main .card a >> nth=0")
            page.wait_for_load_state("networkidle")
            _write(f"console-{name}", page.screenshot())
        browser.close()


def _walked(page: Page, address: str) -> bytes:
    """The shop's home page after a walk that plays by itself, beside what the service thinks of the visitor."""
    page.goto(address)
    page.click(f"text={WALK}")
    page.wait_for_selector(f"text={LAST_STEP}", timeout=WALK_MS)
    page.wait_for_load_state("networkidle")
    return page.screenshot()


def _log_in(page: Page, address: str, key: str) -> None:
    page.goto(address)
    page.fill("#key", key)
    page.click("main button")
    page.wait_for_load_state("networkidle")


def _write(name: str, picture: bytes) -> None:
    file = FOLDER / f"{name}.png"
    if len(picture) > LARGEST_BYTES:
        raise SystemExit(f"{file}: {len(picture):,} bytes; at most {LARGEST_BYTES:,} are kept in the repository")
    file.write_bytes(picture)
    print(f"✓ {file} ({len(picture):,} bytes)")


if __name__ == "__main__":
    main()
