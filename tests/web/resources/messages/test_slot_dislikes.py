"""The link in a mail that says no: opening it changes nothing, its button hides one item, and takes it back."""

from __future__ import annotations

import html
import re
import shutil
from pathlib import Path
from urllib.parse import quote

import pytest
from werkzeug.test import TestResponse

from recsys.web.app import Application, create_app
from tests.support.servers.serving import READ
from tests.web.resources.messages.test_slots import HOME, KEYS, MESSAGES, SECRETS, SETTINGS, LinkedShop, declare, shown
from tests.web.resources.messages.test_slots import published as published


@pytest.fixture(scope="module")
def app(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Application:
    """One worker over a published shop, and one send declared; each test has readers of its own."""
    shop = LinkedShop(tmp_path_factory.mktemp("saying-no"))
    shutil.copytree(published, shop.folder, dirs_exist_ok=True)
    shop.toml = shop.toml.split("[web]")[0] + SETTINGS + MESSAGES + 'dislikes = "3/minute"\n'
    made = create_app(shop.settings, SECRETS)
    declare(made)
    return made


def address(user: str, n: int = 1) -> str:
    """The address of the link beside a slot."""
    return f"/v1/slots/{KEYS.token('weekly', user)}/{n}/dislike"


def opened(app: Application, user: str, method: str = "GET", **headers: str) -> TestResponse:
    """The page as a reader's browser opens it."""
    return app.test_client().open(address(user), method=method, headers=headers)


def press(app: Application, page: TestResponse, user: str) -> TestResponse:
    """Press the button of a page."""
    [action] = re.findall(r'<form method="post" action="([^"]+)">', page.text)
    return app.test_client().post(f"{address(user).rpartition('/')[0]}/{html.unescape(action)}")


def at_home(app: Application, user: str) -> str:
    """The reader's home page."""
    return app.test_client().get(f"/v1/users/{user}/recommendations?limit=12", headers=READ).text


def said(app: Application) -> int:
    """The number of dislikes that were written."""
    return app.service.live.state.news(0).disliked


def test_opening_the_page_changes_nothing(app: Application) -> None:
    """However often, by whom and how: scanners follow links. It names the item, and nothing is kept or told elsewhere."""
    item, before = shown(app, "user-0")[0], said(app)
    for method in ("GET", "HEAD", "GET"):
        page = opened(app, "user-0", method)
        assert page.status_code == 200
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert page.headers["Cache-Control"] == "private, no-store"
    catalog = app.service.live.serving().engine.catalog
    assert html.escape(catalog.title(catalog.row(item))) in page.text
    assert "<script" not in page.text
    assert said(app) == before
    assert f'"{item}"' in at_home(app, "user-0")
    unseen = opened(app, "user-5")
    assert (unseen.status_code, unseen.location) == (302, HOME)
    assert app.service.live.state.pins.pin_of("weekly", "user-5") is None


def test_the_button_hides_the_item_that_the_page_spoke_of(app: Application) -> None:
    """From that reader alone, in lists and in the send; pressed again nothing more happens, and undone it may come back."""
    item = shown(app, "user-1")[0]
    page = opened(app, "user-1")
    done = press(app, page, "user-1")
    assert done.status_code == 200
    assert item not in shown(app, "user-1")
    assert f'"{item}"' not in at_home(app, "user-1")
    assert press(app, page, "user-1").status_code == 200
    assert press(app, done, "user-1").status_code == 200
    assert app.service.live.serving().disliked_at("user-1", app.service.live.now(app.service.live.serving())) == ()


def test_no_button_is_another_ones(app: Application) -> None:
    """What was sealed for somebody else, made up, or a slot's own token hides nothing; the reader is led to the shop."""
    item = shown(app, "user-2")[0]
    before = said(app)
    theirs = KEYS.sealed("weekly", "user-3", item)
    for given in (theirs, theirs[:-2], "", "x" * 3_000, KEYS.token("weekly", "user-2")):
        answer = app.test_client().post(f"{address('user-2')}?item={quote(given)}")
        assert (answer.status_code, answer.location) == (302, HOME)
    answer = app.test_client().post(f"/v1/slots/{theirs}/1/dislike?item={theirs}")
    assert (answer.status_code, answer.location) == (302, HOME)
    assert KEYS.open(theirs) is None
    assert said(app) == before


@pytest.mark.parametrize(
    ("asked", "language", "direction"),
    [("de-AT,en;q=0.5", "de", "ltr"), ("ar", "ar", "rtl"), ("xx, fr;q=0.3", "fr", "ltr"), ("", "en", "ltr")],
)
def test_the_page_speaks_the_language_of_the_browser(app: Application, asked: str, language: str, direction: str) -> None:
    """The closest of those that there are, else that of messages."""
    shown(app, "user-0")
    page = opened(app, "user-0", **{"Accept-Language": asked})
    assert f'<html lang="{language}" dir="{direction}">' in page.text


def test_a_reader_may_press_so_often(app: Application) -> None:
    """Then it is 429 with the time to wait, nothing is written, and the button is there to try again; others go on."""
    shown(app, "user-4")
    page = opened(app, "user-4")
    statuses = [press(app, page, "user-4").status_code for _ in range(3)]
    before = said(app)
    refused = press(app, page, "user-4")
    assert (statuses, refused.status_code) == ([200] * 3, 429)
    assert int(refused.headers["Retry-After"]) > 0
    assert "<form" in refused.text
    assert said(app) == before
