"""Every page of the console: who sees it, what its headers keep out, and that no text of the shop runs in it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from flask.testing import FlaskClient

from recsys.clock import DAY
from recsys.web.app import Application
from recsys.web.console import console_pages
from recsys.web.serving.steady_clock import SteadyClock
from tests.console.conftest import EVIL, console_app, cookie, form_token, logged_in

EVIL_ITEM, EVIL_USER = quote(f"0{EVIL}"), quote(f"u{EVIL}")
PAGES = [
    "",
    "shopper",
    "shopper?user_id={user}",
    "shopper?user_id={user}&now=2026-03-30T12:00:00Z",
    "item",
    "item?item={item}",
    "item?item={item}&user_id={user}",
    "placements",
    "placements?placement=home&user_id={user}",
    "placements?placement=similar&about={item}",
    "campaigns",
    "campaigns?campaign={user}&user_id={user}",
    "campaigns?campaign={user}&delete=1",
    "experiments",
    "experiments?experiment=trial",
    "sends",
    "sends?send_id={user}&user_id={user}&run=1",
    "moments",
    "moments?kind=browse",
    "reports",
    "explain",
    "explain?item={item}",
    "explain?item={item}&user_id={user}&placement=similar&about={item}",
    "forget?user_id={user}",
]
"""Addresses that show something, each page at least once."""


def addresses(item: str, user: str) -> list[str]:
    """The addresses for an item and a shopper, quoted."""
    return [f"/console/{page.format(item=item, user=user)}" for page in PAGES]


class Elements(HTMLParser):
    """The elements of a page with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one."""
        self.found.append((tag, dict(attrs)))


def test_the_list_above_has_every_page(app: Application) -> None:
    """No page goes untested."""
    listed = {urlsplit(f"/{page}").path for page in PAGES}
    assert {page.path for page in console_pages(app.service)} == listed | {"/login", "/logout", "/card", "/report"}


@pytest.mark.parametrize("address", addresses("sofa-1", "user-0"))
def test_nobody_sees_a_page_without_a_session(app: Application, address: str) -> None:
    """Whoever has none is led to the login, and told nothing."""
    answer = app.test_client().get(address)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/console/login")
    assert not answer.data


@pytest.mark.parametrize("address", addresses("sofa-1", "user-0"))
def test_headers_keep_a_page_to_itself(operator: FlaskClient, address: str) -> None:
    """It cannot be framed, cached or sniffed, runs no script and no inline style, and tells no other site its address."""
    answer = operator.get(address)
    assert answer.status_code == 200, answer.text
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert (policy["frame-ancestors"], policy["base-uri"], policy["form-action"]) == ("'none'", "'none'", "'self'")
    assert policy["style-src"] == "'self'"
    assert "script-src" not in policy
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize("address", addresses("sofa-1", "user-0"))
def test_pages_need_no_other_address_and_no_script(operator: FlaskClient, address: str) -> None:
    """Every link, form and sheet is ours, nothing is inline, and forms that change something carry their token."""
    page = operator.get(address).text
    for tag, attributes in Elements(page).found:
        assert tag not in ("script", "style")
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        for name in ("href", "src", "action"):
            assert (attributes.get(name) or "/console/").startswith(("/console/", "#", "data:,")), attributes
    posts = re.findall(r'<form method="post".*?</form>', page, re.DOTALL)
    assert posts
    assert all('name="form_token"' in form for form in posts)


@pytest.mark.parametrize("address", addresses(EVIL_ITEM, EVIL_USER))
def test_no_text_of_the_shop_runs(evil: FlaskClient, address: str) -> None:
    """Ids, titles, brands, categories and what stands in the address are text on every page, also in attributes."""
    answer = evil.get(address)
    assert answer.status_code == 200, answer.text
    _check_harmless(answer.text)


@pytest.mark.parametrize("name", ["user_id", "item", "placement", "now", "about", "csv", "page", "version", "next", EVIL])
@pytest.mark.parametrize("page", ["", "shopper", "explain", "login", EVIL])
def test_no_text_of_an_address_runs(evil: FlaskClient, page: str, name: str) -> None:
    """Also where it is refused."""
    answer = evil.get(f"/console/{quote(page)}", query_string={name: EVIL})
    assert answer.status_code in (200, 400, 404)
    _check_harmless(answer.text)


def _check_harmless(page: str) -> None:
    for tag, attributes in Elements(page).found:
        assert tag != "script"
        assert "onerror" not in attributes
        assert attributes.get("src") != "x"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"Origin": "http://localhost"}, 303),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://behind.a.proxy.example"}, 303),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost.evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_forms_of_other_origins_are_refused(app: Application, headers: dict[str, str], status: int) -> None:
    """Even with a good token."""
    web = logged_in(app, "operator")
    data = {"form_token": form_token(web.get("/console/"))}
    assert web.post("/console/logout", data=data, headers=headers).status_code == status


@pytest.mark.parametrize("given", [None, "", "0" * 64, "other", "é"])
@pytest.mark.parametrize("address", ["/console/login", "/console/logout", "/console/forget?user_id=user-0"])
def test_a_form_without_its_token_is_refused(app: Application, address: str, given: str | None) -> None:
    """A form needs the token of the very session that it is sent with; who is logged in is led on by a login, and nothing changes."""
    web = logged_in(app, "operator")
    if given == "other":
        given = form_token(logged_in(app, "operator").get("/console/"))
    kept = cookie(web)
    data = {"confirmed": "user-0", "key": "x", **({} if given is None else {"form_token": given})}
    answer = web.post(address, data=data)
    assert answer.status_code == (303 if address == "/console/login" else 403)
    assert cookie(web) == kept


def test_a_large_form_is_refused(app: Application) -> None:
    """A form has at most 16 KiB."""
    web = logged_in(app, "viewer")
    data = {"form_token": form_token(web.get("/console/")), "more": "x" * 20_000}
    assert web.post("/console/logout", data=data).status_code == 413


@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_only_operators_forget(app: Application, role: str) -> None:
    """Others neither see the page, nor its door, nor are they heard."""
    web = logged_in(app, role)
    page = web.get("/console/shopper?user_id=user-0")
    assert "/console/forget" not in page.text
    assert web.get("/console/forget?user_id=user-0").status_code == 403
    data = {"form_token": form_token(page), "confirmed": "user-0"}
    assert web.post("/console/forget?user_id=user-0", data=data).status_code == 403
    assert "Nothing is known" not in web.get("/console/shopper?user_id=user-0").text


def test_nobody_is_erased_by_a_clock_that_jumped(artifacts: Path, tmp_path: Path) -> None:
    """The page says what is wrong with the clock, and the log holds no erasure."""
    app, times = console_app(artifacts, tmp_path), [0]
    app.service.live.clock = SteadyClock(lambda: times[0], lambda: 0)
    web = logged_in(app, "operator")
    times[0] = 3650 * DAY
    data = {"form_token": form_token(web.get("/console/forget?user_id=user-0")), "confirmed": "user-0"}
    answer = web.post("/console/forget?user_id=user-0", data=data)
    assert answer.status_code == 503
    assert "jumped 3,650 days ahead" in answer.text
    assert app.service.live.state.tombstones() == []


def test_an_image_of_the_shop_can_be_no_script(app: Application) -> None:
    """Only http and https addresses become pictures."""
    from recsys.web.console.render import Templates

    templates = Path(Templates.page.__code__.co_filename).parent / "templates"
    used = [line for file in templates.glob("*.html") for line in file.read_text().splitlines() if "image_url" in line]
    assert used == ["{% set address = item.image_url | web %}"]
