"""Texts of a catalogue never run in a shop's page: titles, brands, ids, addresses and reasons are text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ITEMS, Shop, event
from tests.storefront.conftest import page_with
from tests.support.servers.browser import Recommendations, ShopPages, Watched, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

RUN = "window.hacked=1"
MARKUP = (
    f"<img src=x onerror={RUN}>",
    f"<script>{RUN}</script>",
    f'"><svg onload={RUN}>',
    f"</template><iframe srcdoc='<script>parent.{RUN}</script>'>",
    f"' onmouseover={RUN} x='",
    "${" + RUN + "}",
    "{{constructor.constructor('" + RUN + "')()}}",
    "\u202e\u2066 mixed \u2028 directions",
)
ADDRESSES = (
    f"javascript:{RUN}",
    f" JaVaScRiPt:{RUN}",
    f"java\nscript:{RUN}",
    f"data:text/html,<script>{RUN}</script>",
    f"vbscript:{RUN}",
    "file:///etc/passwd",
    "//evil.example/x",
    '/inside?a="><script>',
)
CARD = '<a data-href="url" data-text="title"></a><img data-src="image_url" data-alt="title"><b data-text="brand"></b>'
BODY = f"""
<recsys-list id="plain" placement="bestsellers" limit="4"></recsys-list>
<recsys-list id="card" placement="popular" limit="4"><template>{CARD}</template></recsys-list>"""


@pytest.fixture(scope="module")
def hostile(shop: ShopPages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recommendations]:
    """A catalogue whose every text tries to break out."""
    made = Hostile(tmp_path_factory.mktemp("hostile"))
    made.items = [
        {**ITEMS[0], "item_id": text, "title": text, "brand": text, "url": address, "image_url": address}
        for text, address in zip(MARKUP, ADDRESSES, strict=True)
    ]
    made.add(*(event("ada", item["item_id"]) for item in made.items))
    made.publish()
    running = Recommendations(tmp_path_factory.mktemp("service"), made.folder / "artifacts", [shop.origin])
    yield running
    running.stop()


class Hostile(Shop):
    """A shop whose items have addresses."""

    def write(self) -> None:
        """Write the tables, the items' addresses too."""
        import polars as pl

        super().write()
        items = pl.read_parquet(self.folder / "items.parquet")
        more = [pl.Series(name, [item[name] for item in self.items]) for name in ("url", "image_url")]
        items.with_columns(more).write_parquet(self.folder / "items.parquet")


@pytest.mark.long
@pytest.mark.parametrize("label", ["For you", f'"><img src=x onerror={RUN}>'])
def test_nothing_of_a_catalogue_runs(hostile: Recommendations, shop: ShopPages, context: BrowserContext, label: str) -> None:
    """Neither when it is shown nor when it is clicked; addresses that lead nowhere safe are left out."""
    shop.pages = {"/": page_with(hostile, BODY)}
    visit = Watched(context)
    dialogs: list[str] = []
    visit.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    visit.page.goto(shop.origin)
    visit.page.evaluate(
        "label => document.querySelectorAll('recsys-list').forEach(list => list.setAttribute('label', label))", label
    )
    visit.page.evaluate("refresh()")
    wait_for(lambda: visit.page.evaluate("shown.length") >= 4)
    assert visit.page.locator("li[data-item]").count() == len(MARKUP)
    titles = visit.page.eval_on_selector_all("li[data-item]", "cards => cards.map(card => card.dataset.item)")
    assert set(titles) == set(MARKUP)
    for name, attribute in (("a", "href"), ("img", "src")):
        led = visit.page.eval_on_selector_all(
            f"li[data-item] {name}[{attribute}]", f"all => all.map(one => one.{attribute})"
        )
        assert all(address.startswith(("http://", "https://")) for address in led), led
    assert visit.page.locator("recsys-list script, recsys-list svg, recsys-list iframe").count() == 0
    visit.page.evaluate("""() => document.querySelectorAll('li[data-item] *').forEach(part => {
        part.dispatchEvent(new MouseEvent('mouseover', { bubbles: true }));
        part.addEventListener('click', event => event.preventDefault());
        part.click();
    })""")
    wait_for(lambda: len(hostile.events("click")) >= len(MARKUP))
    assert visit.page.evaluate("window.hacked") is None
    assert dialogs == []
    assert set(MARKUP) == {click.item_id for click in hostile.events("click")}


def test_the_kit_trusts_no_address(hostile: Recommendations, shop: ShopPages, context: BrowserContext) -> None:
    """Were the service ever to answer one that runs code, it would neither be a link nor a picture."""
    items = [{"item_id": str(n), "title": text, "url": text, "image_url": text} for n, text in enumerate(ADDRESSES)]
    reason = {"code": "x", "text": MARKUP[0]}
    every = [{"brand": None, "category": None, "price": None, "currency": None, **item, "reason": reason} for item in items]
    slate = {"recommendation_id": "r", "placement": "home", "strategy": "x", "items": every, "next_cursor": None}
    context.route(
        "**/v1/slates",
        lambda route: route.fulfill(json={"slates": [slate, slate]}, headers={"Access-Control-Allow-Origin": shop.origin}),
    )
    shop.pages = {"/": page_with(hostile, BODY)}
    visit = Watched(context)
    visit.page.goto(shop.origin)
    wait_for(lambda: visit.page.evaluate("shown.length") == 2)
    for name, attribute in (("a", "href"), ("img", "src")):
        led = visit.page.eval_on_selector_all(f"{name}[{attribute}]", f"all => all.map(one => one.{attribute})")
        assert len(led) == 2 * 2  # of each list those that lead elsewhere by http
        assert all(address.startswith("http://") for address in led), led
    assert visit.page.evaluate("window.hacked") is None


@pytest.mark.long
def test_it_runs_under_a_strict_policy(hostile: Recommendations, shop: ShopPages, context: BrowserContext) -> None:
    """A page may forbid inline code, eval, and text that becomes markup: the kit needs none of them."""
    policy = (
        f"default-src 'none'; script-src {hostile.origin} {shop.origin}; connect-src {hostile.origin} {shop.origin}; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    module = f'import {{ start }} from "{hostile.origin}/static/recsys.js";\nstart({{ token: "/token", consent: true }});'
    head = f'<meta http-equiv="Content-Security-Policy" content="{policy}"><script type="module" src="/own.js"></script>'
    shop.pages = {"/": f"<!doctype html><head>{head}</head><body>{BODY}</body>", "/own.js": module}
    visit = Watched(context)
    visit.page.goto(shop.origin)
    visit.page.wait_for_selector("#card li[data-item], #plain li[data-item]")
    assert [error for error in visit.errors if "img-src" not in error and "Loading the image" not in error] == []
