"""The shopper's page of the console and what is hidden from a shopper: editors hide, and show again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from recsys.web.app import Application
from tests.console.conftest import console_app, form_token, logged_in

PAGE = "/console/shopper?user_id=user-0"


@pytest.fixture(scope="module")
def editor(artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """An editor, over a log of their own."""
    app: Application = console_app(artifacts, tmp_path_factory.mktemp("state"))
    return logged_in(app, "editor")


def sent(browser: FlaskClient, **form: str) -> TestResponse:
    """Send a form of the page."""
    return browser.post(PAGE, data={"form_token": form_token(browser.get(PAGE)), **form})


def home(browser: FlaskClient) -> list[str]:
    """The items of the home list, as the page shows them."""
    [part] = re.findall(r'<section class="block" id="list-home">(.*?)</section>', browser.get(PAGE).text, re.DOTALL)
    return list(dict.fromkeys(re.findall(r"/console/item\?item=([\w-]+)", part)))


def test_an_item_is_hidden_and_shown_again(editor: FlaskClient) -> None:
    """It leaves every list of the shopper at once, stands among what is hidden with a date, and comes back by one button."""
    before = home(editor)
    answer = sent(editor, do="hide", hides="item", item=before[0])
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{PAGE}#hidden")
    assert before[0] not in home(editor)
    assert "Show again" in editor.get(PAGE).text
    assert sent(editor, do="undo", hides="item", value=before[0]).status_code == 303
    assert home(editor) == before
    assert "Show again" not in editor.get(PAGE).text


def test_a_brand_is_hidden_by_one_of_its_items(editor: FlaskClient) -> None:
    """The page names the brand, and takes that back, not the item."""
    assert sent(editor, do="hide", hides="brand", item="sofa-1").status_code == 303
    text = editor.get(PAGE).text
    [value] = re.findall(r'name="hides" value="brand"><input type="hidden" name="value" value="([^"]+)"', text)
    assert "sofa-1" not in home(editor)
    assert sent(editor, do="undo", hides="brand", value=value).status_code == 303
    assert "Show again" not in editor.get(PAGE).text


@pytest.mark.parametrize(
    ("form", "status", "said"),
    [
        ({"do": "hide", "hides": "shop", "item": "sofa-1"}, 400, "item, brand, category"),
        ({"do": "burn", "hides": "item", "item": "sofa-1"}, 400, "hide, undo"),
        ({"do": "hide", "hides": "item", "item": "nothing"}, 404, "no item"),
        ({"do": "hide", "hides": "item"}, 404, "no item"),
    ],
)
def test_a_form_that_is_wrong_changes_nothing(editor: FlaskClient, form: dict[str, str], status: int, said: str) -> None:
    """It is answered with what is allowed."""
    answer = sent(editor, **form)
    assert answer.status_code == status
    assert said in answer.text
    assert "Show again" not in editor.get(PAGE).text


def test_a_viewer_only_looks(app: Application, viewer: FlaskClient) -> None:
    """There is no button, and a form that is sent all the same is refused."""
    text = viewer.get(PAGE).text
    assert 'value="hide"' not in text
    token = form_token(viewer.get("/console/logout"))
    answer = viewer.post(PAGE, data={"form_token": token, "do": "hide", "hides": "item", "item": "sofa-1"})
    assert answer.status_code == 403
