"""The storefront kit as the service gives it."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from recsys.web.resources.kit import STATIC
from tests.support.servers.serving import client

SHOP = "https://shop.example"
KIT = "/static/recsys.js"
MOST_BYTES = 6 * 1024


@pytest.fixture(scope="module")
def web(artifacts: Path) -> FlaskClient:
    """The service, open to one shop's pages."""
    return client(artifacts, origins=(SHOP,))


def test_a_page_of_the_shop_loads_it_without_a_key(web: FlaskClient) -> None:
    """A module is loaded across origins, so it carries the headers for that; a page of another origin cannot use it."""
    answer = web.get(KIT, headers={"Origin": SHOP})
    assert (answer.status_code, answer.content_type) == (200, "text/javascript; charset=utf-8")
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP
    lines = (STATIC / "recsys.js").read_text().splitlines()
    comments = ("/**", " *", "  /**", "   *")
    assert answer.text.splitlines() == [line for line in lines if not line.startswith(comments)]
    assert "Access-Control-Allow-Origin" not in web.get(KIT, headers={"Origin": "https://other.example"}).headers
    for types in ("recsys.d.ts", "types.d.ts"):
        assert web.get(f"/static/{types}").data == (STATIC / types).read_bytes()


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_it_is_kept_for_a_day_and_then_asked_for_by_its_etag(web: FlaskClient, encoding: str) -> None:
    """The address stays the same over releases; a browser that has the file is told so in a few bytes."""
    headers = {"Accept-Encoding": encoding, "Origin": SHOP}
    first = web.get(KIT, headers=headers)
    assert first.headers["Cache-Control"] == "public, max-age=86400, stale-while-revalidate=604800"
    assert {"Origin", "Accept-Encoding"} <= set(first.headers["Vary"].split(", "))
    again = web.get(f"{KIT}?v=2", headers={**headers, "If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert web.get(KIT, headers={"If-None-Match": '"another"'}).status_code == 200


def test_it_is_small(web: FlaskClient) -> None:
    """At most 6 KB on the way."""
    answer = web.get(KIT, headers={"Accept-Encoding": "br, gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.data) == web.get(KIT).data
    assert len(answer.data) <= MOST_BYTES


@pytest.mark.parametrize("address", ["/static/", "/static/recsys.py", "/static/../app.py", "/static/%2e%2e/app.py"])
def test_nothing_else_is_given(web: FlaskClient, address: str) -> None:
    """Only the three files."""
    assert web.get(address).status_code == 404


def test_it_writes_no_markup_from_text() -> None:
    """What could turn a title into a script is not used at all."""
    text = (STATIC / "recsys.js").read_text()
    for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "srcdoc"):
        assert sink not in text
