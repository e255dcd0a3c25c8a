"""Sessions of the console: who gets one, how it is kept, and how it ends."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from flask.testing import FlaskClient

from recsys.settings import ConsoleSettings
from recsys.types import SettingsError
from recsys.web.app import Application, create_app
from recsys.web.console.sessions import Sessions
from recsys.web.console.site import COOKIE
from tests.console.conftest import KEYS, SECRETS, console_app, cookie, form_token, log_in, logged_in
from tests.support.servers.serving import ADMIN_KEY, ENVIRONMENT, serving_settings, token


def test_the_console_is_closed_without_a_key(artifacts: Path) -> None:
    """Where no key is set every address of the console says so, with 404, whatever is sent."""
    web = create_app(serving_settings(artifacts), ENVIRONMENT).test_client()
    for address in ("/console", "/console/", "/console/login", "/console/shopper?user_id=user-0", "/console/nothing"):
        answer = web.get(address)
        assert (answer.status_code, "RECSYS_KEYS_CONSOLE_VIEWER" in answer.text) == (404, True), address
    assert web.post("/console/login", data={"key": ADMIN_KEY}).status_code == 404


def test_a_short_key_is_refused() -> None:
    """A key of fewer than 32 characters stops the service, without being shown."""
    with pytest.raises(SettingsError, match="RECSYS_KEYS_CONSOLE_EDITOR") as found:
        Sessions.from_environment({"RECSYS_KEYS_CONSOLE_EDITOR": "short-secret"}, 8)
    assert "short-secret" not in str(found.value)


def test_a_rate_that_is_none_is_refused(artifacts: Path) -> None:
    """`web.console.logins` is read when the service starts."""
    with pytest.raises(SettingsError, match=r"web\.console\.logins: 'often' is no rate"):
        console_app(artifacts, console=ConsoleSettings(logins="often"))


@pytest.mark.parametrize("key", ["", "wrong", ADMIN_KEY, KEYS["viewer"][:-1], KEYS["viewer"] + "x", "é" * 32])
def test_only_keys_of_the_console_open_it(app: Application, key: str) -> None:
    """Neither a wrong key nor one of the API logs anybody in."""
    web = app.test_client()
    assert log_in(web, key).status_code == 403
    assert web.get("/console/").status_code == 303


def test_several_keys_of_a_role_open_it(artifacts: Path) -> None:
    """While a key is rotated both stand there; of a key under two roles the higher one counts."""
    both = f"{KEYS['viewer']} {KEYS['editor']}"
    made = create_app(serving_settings(artifacts), {**SECRETS, "RECSYS_KEYS_CONSOLE_VIEWER": both})
    for role in ("viewer", "editor"):
        assert f'<span class="role">{role}</span>' in logged_in(made, role).get("/console/").text


def test_the_cookie_is_for_the_browser_alone(app: Application) -> None:
    """No script reads it, no other site sends it with a form, it is for the console's path, and it ends by itself."""
    set_cookie = log_in(app.test_client(), KEYS["viewer"]).headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Path=/console", "Max-Age=28800"} <= set(set_cookie.split("; "))
    assert "Secure" not in set_cookie
    assert KEYS["viewer"] not in set_cookie


@pytest.mark.parametrize("how", ["scheme", "origin"])
def test_over_https_the_cookie_is_secure(app: Application, how: str) -> None:
    """Also where a proxy ends TLS and speaks http to us: the browser's Origin says what it sees."""
    web = app.test_client()
    page = web.get("/console/login")
    base = "https://localhost" if how == "scheme" else "http://localhost"
    answer = web.post(
        "/console/login",
        base_url=base,
        data={"form_token": form_token(page), "key": KEYS["viewer"]},
        headers={"Origin": "https://localhost", "Cookie": f"{COOKIE}={cookie(web)}"},
    )
    assert "Secure" in answer.headers["Set-Cookie"].split("; ")


def test_logging_in_begins_a_new_session(app: Application) -> None:
    """A session that somebody was made to use before login is not the one after it, and its form tokens are none any more."""
    web = app.test_client()
    before = form_token(web.get("/console/login"))
    fixed = cookie(web)
    log_in(web, KEYS["operator"])
    assert cookie(web) != fixed
    other = app.test_client()
    assert fixed is not None
    other.set_cookie(COOKIE, fixed, path="/console")
    assert other.get("/console/").status_code == 303
    assert web.post("/console/logout", data={"form_token": before}).status_code == 403


def test_two_logins_have_two_sessions(app: Application) -> None:
    """Nothing of a session can be foretold from another one of the same key."""
    one, other = (logged_in(app, "viewer") for _ in range(2))
    assert cookie(one) != cookie(other)
    assert form_token(one.get("/console/")) != form_token(other.get("/console/"))


def test_logging_out_ends_the_session(app: Application) -> None:
    """After it the browser is asked for the key again."""
    web = logged_in(app, "viewer")
    assert web.get("/console/").status_code == 200
    answer = web.post("/console/logout", data={"form_token": form_token(web.get("/console/"))})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console/login")
    assert web.get("/console/").status_code == 303


def forged(kind: str) -> str:
    """A session that was not made here, or not for this."""
    sessions = Sessions({KEYS["operator"]: "operator"}, 8)
    mine = sessions.log_in(KEYS["operator"])
    assert mine is not None
    secret, now = sessions._secrets[mine.key], int(time.time())
    claims: dict[str, Any] = {"aud": "recsys console", "jti": "me", "iat": now, "exp": now + 60}
    endless = {name: value for name, value in claims.items() if name != "exp"}
    made: dict[str, tuple[dict[str, Any], str | bytes, str]] = {
        "none": (claims, "", "none"),
        "other secret": (claims, "x" * 32, "HS256"),
        "too old": ({**claims, "exp": now - 1}, secret, "HS256"),
        "endless": (endless, secret, "HS256"),
        "other audience": ({**claims, "aud": "shop"}, secret, "HS256"),
        "good": (claims, secret, "HS256"),
    }
    if kind not in made:
        return {"browser token": token("user-0"), "text": "nonsense"}[kind]
    return jwt.encode(made[kind][0], made[kind][1], algorithm=made[kind][2], headers={"kid": mine.key})


@pytest.mark.parametrize("kind", ["none", "other secret", "too old", "endless", "other audience", "browser token", "text"])
def test_a_session_that_is_not_ours_opens_nothing(app: Application, kind: str) -> None:
    """Forged, too old, endless, or made for something else: the key is asked for."""
    web = app.test_client()
    web.set_cookie(COOKIE, forged(kind), path="/console")
    assert web.get("/console/").status_code == 303
    web.set_cookie(COOKIE, forged("good"), path="/console")
    assert web.get("/console/").status_code == 200


def test_without_its_key_a_session_ends(app: Application, artifacts: Path) -> None:
    """Taking a key out of the environment ends the sessions that it began."""
    web = logged_in(app, "viewer")
    without = {name: value for name, value in SECRETS.items() if name != "RECSYS_KEYS_CONSOLE_VIEWER"}
    later = create_app(serving_settings(artifacts), without).test_client()
    later.set_cookie(COOKIE, cookie(web) or "", path="/console")
    assert later.get("/console/").status_code == 303


def test_logins_are_limited(artifacts: Path) -> None:
    """Beyond so many attempts an address is asked to wait, whatever key it sends."""
    app = console_app(artifacts, console=ConsoleSettings(logins="3/minute"))
    web = app.test_client()
    assert [log_in(web, "wrong").status_code for _ in range(3)] == [403, 403, 403]
    answer = log_in(web, KEYS["viewer"])
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    other = app.test_client()
    page = other.get("/console/login")
    data = {"form_token": form_token(page), "key": KEYS["viewer"]}
    assert other.post("/console/login", data=data, environ_overrides={"REMOTE_ADDR": "10.0.0.2"}).status_code == 303


@pytest.mark.parametrize(
    ("wanted", "leads_to"),
    [
        ("/shopper?user_id=user-0", "/console/shopper?user_id=user-0"),
        ("/", "/console/"),
        ("", "/console/"),
        ("//evil.example/", "/console/"),
        ("https://evil.example/", "/console/"),
        ("/\\evil.example", "/console/"),
        ("/../../v1/items/sofa-1", "/console/"),
        ("/..//evil.example", "/console/"),
        ("/%0d%0aSet-Cookie:x=1", "/console/"),
        ("javascript:alert(1)", "/console/"),
        ("@evil.example", "/console/"),
    ],
)
def test_after_login_one_stays_in_the_console(app: Application, wanted: str, leads_to: str) -> None:
    """`next` leads to the page that was asked for, and nowhere outside the console."""
    web = app.test_client()
    token_of_form = form_token(web.get("/console/login", query_string={"next": wanted}))
    data = {"form_token": token_of_form, "key": KEYS["viewer"]}
    answer = web.post("/console/login", query_string={"next": wanted}, data=data)
    assert (answer.status_code, answer.headers["Location"]) == (303, leads_to)


def test_a_page_that_needs_a_login_is_shown_after_it(app: Application) -> None:
    """Who opens a link without a session comes to it by way of the login."""
    web = app.test_client()
    answer = web.get("/console/shopper?user_id=user-0")
    assert answer.headers["Location"] == "/console/login?next=%2Fshopper%3Fuser_id%3Duser-0"
    data = {"form_token": form_token(web.get(answer.headers["Location"])), "key": KEYS["viewer"]}
    assert web.post(answer.headers["Location"], data=data).headers["Location"] == "/console/shopper?user_id=user-0"


def test_a_form_whose_session_is_over_leads_back_to_its_page(app: Application) -> None:
    """By way of the login to the very page, not only to the list that it stands in."""
    answer = app.test_client().post("/console/campaigns?campaign=a%20b", data={"form_token": "x", "do": "form"})
    assert (answer.status_code, answer.headers["Location"]) == (
        303,
        "/console/login?next=%2Fcampaigns%3Fcampaign%3Da%2520b",
    )


def test_who_logged_in_in_another_tab_is_led_on(app: Application) -> None:
    """A login that was still open is none any more, and goes where it wanted to; with a token of the session a key counts again."""
    web, there = app.test_client(), "/console/login?next=%2Fcampaigns"
    data = {"form_token": form_token(web.get(there)), "key": KEYS["viewer"]}
    assert log_in(web, KEYS["viewer"]).status_code == 303
    before = cookie(web)
    answer = web.post(there, data=data)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console/campaigns")
    assert cookie(web) == before
    assert web.post(there, data=data, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert log_in(web, KEYS["operator"]).status_code == 303
    assert '<span class="role">operator</span>' in web.get("/console/").text


def test_under_a_prefix_every_link_has_it(artifacts: Path) -> None:
    """Also where the proxy cuts the prefix off: links, forms, redirects, the style and the cookie's path have it."""
    app = console_app(artifacts, prefix="/recs")
    cut, kept = app.test_client(), app.test_client()
    assert cut.get("/console/").headers["Location"] == "/recs/console/login"
    assert log_in(kept, KEYS["viewer"], "/recs").headers["Location"] == "/recs/console/"
    web: FlaskClient = kept
    page = web.get("/recs/console/shopper?user_id=user-0").text
    assert 'href="/console' not in page
    assert 'action="/console' not in page
    assert page.count("/recs/console/") > 20
    assert cookie(web, "/recs/console")
