"""The pages of sends, moments and reports: what is shown, what is declared by whom, and that looking changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from recsys.moments.kinds import KINDS
from recsys.web.app import Application
from recsys.web.console.answers import CARD_POLICY
from tests.console.conftest import console_app, declare, form_token, logged_in

FORM = {
    "send_id": "w15",
    "placement": "email_weekly",
    "limit": "4",
    "template": "weekly",
    "expires_at": "2026-12-31T00:00:00Z",
}
VERSION = "20260331T120000Z-bbbbbbbbbbbb"


@pytest.fixture
def fresh(artifacts: Path, tmp_path: Path) -> Application:
    """A service with a log of its own, in which a send is declared."""
    app = console_app(artifacts, tmp_path / "state")
    declare(app, "w14")
    return app


def send_form(web: FlaskClient, **changed: str) -> tuple[int, str]:
    """Send the form that declares a send; returns the status, and the page or where it leads."""
    answer = web.post("/console/sends", data={"form_token": form_token(web.get("/console/sends")), **FORM, **changed})
    return answer.status_code, answer.headers.get("Location") or answer.text


def test_an_editor_declares_a_send(fresh: Application) -> None:
    """It stands as it was sent, and among the sends that were declared last."""
    web = logged_in(fresh, "editor")
    assert send_form(web) == (303, "/console/sends?send_id=w15")
    send = fresh.service.live.state.pins.send("w15")
    assert send is not None
    assert (send.placement, send.limit, send.template) == ("email_weekly", 4, "weekly")
    page = web.get("/console/sends").text
    assert page.index("send_id=w15") < page.index("send_id=w14")


def test_a_viewer_declares_nothing(fresh: Application) -> None:
    """The form is not there, and one that is sent all the same is refused."""
    web = logged_in(fresh, "viewer")
    assert "Declare a send" not in web.get("/console/sends").text
    assert send_form(web)[0] == 403
    assert fresh.service.live.state.pins.send("w15") is None


@pytest.mark.parametrize(
    ("changed", "status", "said"),
    [
        ({"send_id": ""}, 400, "send_id: is needed"),
        ({"placement": "nowhere"}, 400, "placement: &#39;nowhere&#39;"),
        ({"limit": "many"}, 400, "limit"),
        ({"limit": "101"}, 400, "limit"),
        ({"expires_at": "tomorrow"}, 400, "expires_at: &#39;tomorrow&#39;"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, 400, "has passed"),
        ({"send_id": "w14"}, 409, "is declared already"),
    ],
)
def test_a_wrong_send_is_refused(fresh: Application, changed: dict[str, str], status: int, said: str) -> None:
    """The page names what is wrong; nothing is declared."""
    found = send_form(logged_in(fresh, "editor"), **changed)
    assert (found[0], said in found[1]) == (status, True), found[1]
    assert [send.send_id for send in fresh.service.live.state.pins.newest_sends(9)] == ["w14"]


def test_looking_pins_and_logs_nothing(fresh: Application) -> None:
    """Neither the preview nor the dry run writes anything."""
    web, before = logged_in(fresh, "viewer"), fresh.service.live.state.last()
    page = web.get("/console/sends?send_id=w14&user_id=user-0&run=1").text
    assert "Which rule led" in page
    assert "share of 30 shoppers" in page
    assert web.get("/console/moments?kind=browse").status_code == 200
    assert web.get("/console/shopper?user_id=user-0").status_code == 200
    assert fresh.service.live.state.last() == before
    assert fresh.service.live.slates.log.newest(10) == []


@pytest.mark.parametrize(("locale", "direction"), [("en", "ltr"), ("ar", "rtl")])
def test_a_card_in_another_language(fresh: Application, locale: str, direction: str) -> None:
    """Mail, push, SMS and WhatsApp are rendered in the language that is asked for."""
    web = logged_in(fresh, "viewer")
    page = web.get(f"/console/sends?send_id=w14&user_id=user-0&locale={locale}").text
    assert page.count(f'<p class="soft">{locale}</p>') == 4
    frame = web.get(f"/console/card?send_id=w14&user_id=user-0&locale={locale}")
    assert f'dir="{direction}"' in frame.text


def test_the_frame_of_a_mail_is_shut(fresh: Application) -> None:
    """It may be framed by our own pages only, has no origin, runs no script and sends no form."""
    answer = logged_in(fresh, "viewer").get("/console/card?send_id=w14&user_id=user-0")
    assert answer.headers["Content-Security-Policy"] == CARD_POLICY
    assert {"sandbox", "default-src 'none'", "form-action 'none'", "frame-ancestors 'self'"} <= set(CARD_POLICY.split("; "))
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert fresh.test_client().get("/console/card?send_id=w14&user_id=user-0").status_code == 303


@pytest.mark.parametrize(
    "address", ["sends?send_id=none", "card?send_id=none&user_id=user-0", "moments?kind=none", "report?version=none"]
)
def test_what_is_not_there_is_said(viewer: FlaskClient, address: str) -> None:
    """With 404, on a page."""
    answer = viewer.get(f"/console/{address}")
    assert (answer.status_code, "there is no" in answer.text or "is not among" in answer.text) == (404, True)


def test_moments_by_kind(app: Application, viewer: FlaskClient) -> None:
    """Each kind that is on says of whom it is, with the number of people who are worth a look."""
    page = viewer.get("/console/moments").text
    for kind in app.service.settings.moments.kinds:
        assert f'href="/console/moments?kind={kind}"' in page
        assert KINDS[kind].summary in page


def test_reports_are_opened_here(tmp_path: Path) -> None:
    """With a session instead of a key; a version is looked up, never made into a path."""
    folder = tmp_path / "artifacts" / "reports"
    folder.mkdir(parents=True)
    (folder / f"{VERSION}.html").write_text("<h1>Report é</h1>", encoding="utf-8")
    (tmp_path / "artifacts" / "secret.html").write_text("secret")
    app = console_app(tmp_path / "artifacts")
    web = logged_in(app, "viewer")
    assert f'href="/console/report?version={VERSION}"' in web.get("/console/reports").text
    answer = web.get(f"/console/report?version={VERSION}")
    assert (answer.status_code, answer.text) == (200, "<h1>Report é</h1>")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert app.test_client().get(f"/console/report?version={VERSION}").status_code == 303
    for version in ("../secret", "..%2Fsecret", "*", ""):
        assert web.get(f"/console/report?version={version}").status_code == 404
