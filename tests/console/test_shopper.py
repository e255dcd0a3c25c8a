"""The pages of one shopper: what is known, the lists, why an item, and erasure."""

from __future__ import annotations

import csv
import io
import re

import pytest
from flask.testing import FlaskClient

from recsys.web.app import Application
from recsys.web.console.answers import csv_response
from recsys.web.console.page import Link, Table
from tests.conftest import Shop, ago, event
from tests.console.conftest import console_app, form_token, logged_in
from tests.support.servers.serving import ADMIN


def rows_of(text: str) -> list[list[str]]:
    """The rows of a download."""
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


def test_the_search_leads_to_the_shopper(viewer: FlaskClient) -> None:
    """An id that was pasted with blanks is found, and its page links on."""
    page = viewer.get("/console/shopper", query_string={"user_id": "  user-0 ", "now": ""}).text
    assert "<h1><bdi>user-0</bdi></h1>" in page
    assert "first time" in page
    assert "Oak sofa" in page


def test_the_lists_are_those_of_the_shop(viewer: FlaskClient) -> None:
    """Each placement's list has the items, in the order, that the API answers."""
    web = viewer.application.test_client()
    answer = web.get("/v1/users/user-0/recommendations?placement=home", headers=ADMIN).json
    page = viewer.get("/console/shopper?user_id=user-0").text
    shown = page.partition('id="list-home"')[2].partition("</section>")[0]
    assert answer is not None
    assert re.findall(r'/item\?item=([^"]+)"', shown) == [item["item_id"] for item in answer["items"]]


def test_looking_counts_nothing(viewer: FlaskClient) -> None:
    """Lists that the console shows are not among those of the shop's traffic."""
    app = viewer.application
    assert isinstance(app, Application)

    def counted() -> list[str]:
        return [line for line in app.service.metrics.text().decode().splitlines() if line.startswith("recsys_slates_total")]

    before = counted()
    viewer.get("/console/shopper?user_id=user-3")
    assert counted() == before


def test_an_earlier_moment(viewer: FlaskClient) -> None:
    """`now` shows the shopper as of then; what is no moment is refused by name."""
    page = viewer.get("/console/shopper?user_id=user-0&now=2020-01-01T00:00:00Z").text
    assert "Nothing is known of this id" in page
    answer = viewer.get("/console/shopper?user_id=user-0&now=yesterday")
    assert answer.status_code == 400
    assert "now: &#39;yesterday&#39; is not allowed" in answer.text


def test_a_long_timeline_is_paged(shop: Shop) -> None:
    """Fifty events stand on a page, the newest first; the download has all of them."""
    shop.add(*[event("ann", "sofa-1", "view", ago(days=1, minutes=number)) for number in range(120)])
    shop.add(event("bob", "sofa-1", "view", ago(days=1)))
    shop.publish()
    web = logged_in(console_app(shop.folder / "artifacts"), "viewer")
    pages = [web.get(f"/console/shopper?user_id=ann&page={page}").text.count("<td><bdi>view") for page in (1, 2, 3, 99)]
    assert pages == [50, 50, 20, 20]
    assert "Page 2 of 3" in web.get("/console/shopper?user_id=ann&page=2").text
    download = web.get("/console/shopper?user_id=ann&csv=timeline")
    assert download.headers["Content-Disposition"] == 'attachment; filename="timeline.csv"'
    assert len(rows_of(download.text)) == 121


def test_a_download_that_does_not_exist(viewer: FlaskClient) -> None:
    """It names those that there are."""
    answer = viewer.get("/console/shopper?user_id=user-0&csv=nothing")
    assert answer.status_code == 404
    assert "timeline" in answer.text


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_download_runs_nothing(text: str) -> None:
    """A text that a spreadsheet would run begins with an apostrophe, also one that is a link; numbers stay numbers."""
    table = Table(name="t", title="T", columns=(text, "b"), rows=[(text, 1), (Link(text, "/"), -2.5), ("a=b", None)])
    rows = rows_of(csv_response(table).get_data(as_text=True))
    assert rows[0][0] == rows[1][0] == rows[2][0] == f"'{text}"
    assert [row[1] for row in rows[1:]] == ["1", "-2.5", ""]
    assert rows[3][0] == "a=b"


def test_why_an_item_is_not_shown(viewer: FlaskClient) -> None:
    """The page says it in the words of the explanation, for a shopper and for somebody unknown."""
    page = viewer.get("/console/explain?item=gone-1&user_id=user-0&placement=home").text
    assert "Not shown: it is not available" in page
    page = viewer.get("/console/explain?item=sofa-1&placement=bestsellers").text
    assert "Shown at place" in page
    assert "somebody unknown" in page


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("item=none", 404, "there is no item &#39;none&#39;"),
        ("item=sofa-1&placement=nowhere", 400, "placement: &#39;nowhere&#39; is unknown"),
        ("item=sofa-1&colour=red", 400, "colour: &#39;red&#39; is not a parameter of this call"),
        ("item=" + "x" * 300, 400, "item:"),
        ("item=sofa-1&page=0", 400, "page:"),
    ],
)
def test_what_is_wrong_is_named(viewer: FlaskClient, query: str, status: int, said: str) -> None:
    """A wrong address is answered with a page that names what is wrong."""
    answer = viewer.get(f"/console/explain?{query}")
    assert (answer.status_code, answer.mimetype) == (status, "text/html")
    assert said in answer.text


def test_forgetting_a_shopper(busy_shop: Shop) -> None:
    """It takes the id, typed again; then nothing is known of the shopper, and the receipt says what is left to do."""
    busy_shop.publish()
    web = logged_in(console_app(busy_shop.folder / "artifacts"), "operator")
    address = "/console/forget?user_id=user-0"
    token = form_token(web.get(address))
    refused = web.post(address, data={"form_token": token, "confirmed": "user-1"})
    assert (refused.status_code, "nobody was forgotten" in refused.text) == (400, True)
    assert "Nothing is known" not in web.get("/console/shopper?user_id=user-0").text
    receipt = web.post(address, data={"form_token": token, "confirmed": "user-0"})
    assert (receipt.status_code, "make purge" in receipt.text) == (200, True)
    after = web.get("/console/shopper?user_id=user-0").text
    assert "This shopper was forgotten" in after
    assert "Nothing is known" in after
