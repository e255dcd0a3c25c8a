"""Reports over HTTP: listed and served to admins, and nothing else of the disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.support.servers.serving import ADMIN, READ, client
from tests.support.vanishing import vanishing

OLD, NEW = "20260330T120000Z-aaaaaaaaaaaa", "20260331T120000Z-bbbbbbbbbbbb"


@pytest.fixture
def web(tmp_path: Path) -> FlaskClient:
    """A service without a snapshot, with two reports and other files around them."""
    folder = tmp_path / "artifacts" / "reports"
    folder.mkdir(parents=True)
    for version in (OLD, NEW):
        (folder / f"{version}.html").write_text(f"<h1>Report é of {version}</h1>", encoding="utf-8")
    (folder / f"{NEW}.77.tmp").write_text("half")
    (tmp_path / "artifacts" / "20250101T000000Z-secret.html").write_text("secret")
    return client(tmp_path / "artifacts")


def test_the_list_links_to_every_report_newest_first(web: FlaskClient) -> None:
    """Each link leads to its report."""
    answer = web.get("/reports/", headers=ADMIN)
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert answer.text.index(f'href="{NEW}"') < answer.text.index(f'href="{OLD}"')
    assert "tmp" not in answer.text
    for version in (OLD, NEW):
        assert web.get(f"/reports/{version}", headers=ADMIN).text == f"<h1>Report é of {version}</h1>"


def test_a_report_that_is_dropped_while_it_is_asked_for_is_none(web: FlaskClient, tmp_path: Path) -> None:
    """As those that never were."""
    with vanishing(tmp_path / "artifacts" / "reports" / f"{OLD}.html"):
        assert web.get(f"/reports/{OLD}", headers=ADMIN).status_code == 404
    assert NEW in web.get("/reports/", headers=ADMIN).text


def test_an_empty_list_says_what_to_do(tmp_path: Path) -> None:
    """Where no report was written yet, the page says how one is."""
    answer = client(tmp_path).get("/reports/", headers=ADMIN)
    assert answer.status_code == 200
    assert "make report" in answer.text


def test_reports_are_for_admins(web: FlaskClient) -> None:
    """Without a key 401, with another's 403."""
    for address in ("/reports/", f"/reports/{NEW}"):
        assert web.get(address).status_code == 401
        assert web.get(address, headers=READ).status_code == 403


@pytest.mark.parametrize(
    "version",
    [
        "20250101T000000Z-secret",
        "../20250101T000000Z-secret",
        "..%2F20250101T000000Z-secret",
        "%2e%2e%2f20250101T000000Z-secret",
        f"{NEW}.html",
        f"{NEW}.77",
        "*",
        f"x/../{NEW}",
    ],
)
def test_nothing_else_of_the_disk_is_served(web: FlaskClient, version: str) -> None:
    """Only what the list names is answered; everything else is a 404 problem."""
    answer = web.get(f"/reports/{version}", headers=ADMIN)
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")
    assert "secret" not in answer.get_json().get("title")


@pytest.mark.parametrize("address", ["/reports/", f"/reports/{NEW}"])
def test_a_page_may_run_and_load_nothing(web: FlaskClient, address: str) -> None:
    """The browser is told to run no script, to load nothing, to guess no type and to keep no copy."""
    headers = web.get(address, headers=ADMIN).headers
    policy = headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "frame-ancestors 'none'", "form-action 'none'", "base-uri 'none'"} <= set(policy)
    assert not [rule for rule in policy if rule.startswith("script-src")]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "private, no-store"


def test_reports_take_no_parameters(web: FlaskClient) -> None:
    """As everywhere, what is not known is refused."""
    assert web.get("/reports/?x=1", headers=ADMIN).status_code == 400
