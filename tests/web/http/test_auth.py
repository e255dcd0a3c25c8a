"""Permissions of callers."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from recsys.settings import WebSettings
from recsys.types import SettingsError
from recsys.web.http.auth import Authenticator, check_served
from tests.support.servers.serving import (
    ADMIN,
    ENVIRONMENT,
    MESSAGES_KEY,
    READ,
    READ_KEY,
    TOKEN_SECRET,
    bearer,
    client,
    serve,
    token,
)

HOME = "/v1/users/ada/recommendations"
PAGE = {"user_id": "ada", "placements": ["home"]}
OPEN = {
    "/healthz",
    "/readyz",
    "/openapi.json",
    "/docs/",
    "/docs/<path:path>",
    "/static/recsys.js",
    "/static/recsys.d.ts",
    "/static/types.d.ts",
} | {f"/v1/slots/<id:token>/<id:n>/{part}" for part in ("image", "link", "dislike")}


@pytest.fixture(scope="module")
def web(artifacts: Path) -> FlaskClient:
    """The service with keys."""
    return client(artifacts)


def test_every_call_but_the_open_ones_needs_a_key(artifacts: Path) -> None:
    """A call that does not say that it is open refuses callers without a key or token; the console has a login of its own."""
    app = serve(artifacts)
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/console"):
            continue
        method = min((rule.methods or set()) - {"HEAD", "OPTIONS"})
        address = rule.rule.replace("<id:user_id>", "ada").replace("<id:item_id>", "a").replace("<path:path>", "index.css")
        with app.test_client().open(address, method=method) as answer:
            assert (answer.status_code != 401) == (rule.rule in OPEN), address


def test_basic_authentication_carries_a_key(artifacts: Path) -> None:
    """A key may come as the user name of Basic authentication, with any password; nothing else may."""
    web = client(artifacts)
    assert web.get("/v1/bestsellers", auth=(READ_KEY, "")).status_code == 200
    assert web.get("/v1/bestsellers", auth=(READ_KEY, "ignored")).status_code == 200
    assert web.get("/v1/bestsellers", auth=("", READ_KEY)).status_code == 401
    assert web.get("/v1/bestsellers", headers={"Authorization": "Basic no base64!"}).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer(""),
        bearer("not-a-key"),
        bearer(READ_KEY[:-1]),
        bearer(READ_KEY + "x"),
        bearer("ключ-ключ-ключ-ключ-ключ-ключ-ключ".encode().decode("latin-1")),
        {"Authorization": READ_KEY},
        {"Authorization": f"Basic {READ_KEY}"},
    ],
)
def test_a_wrong_key_is_401(web: FlaskClient, headers: dict[str, str]) -> None:
    """Without a valid key the answer is 401, says how to authenticate and does not repeat the key."""
    answer = web.get(HOME, headers=headers)
    assert answer.status_code == 401
    assert answer.content_type == "application/problem+json"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert READ_KEY[:-1] not in answer.text


def test_a_key_opens_its_scope_only(web: FlaskClient) -> None:
    """A key of another scope is 403; an admin's key reads too."""
    assert web.get(HOME, headers=bearer(MESSAGES_KEY)).status_code == 403
    assert web.get("/metrics", headers=READ).status_code == 403
    assert web.get(HOME, headers=ADMIN).status_code == 200
    assert web.get("/metrics", headers=ADMIN).status_code == 200


def test_several_keys_of_a_scope_are_valid_at_once() -> None:
    """While keys are rotated, the old one and the new one both open the scope, and one key may open several."""
    old, new = "old" * 12, "new" * 12
    gate = Authenticator.from_environment({"RECSYS_KEYS_READ": f"{old}, {new}", "RECSYS_KEYS_EVENTS": new}, WebSettings())
    for key in (old, new):
        assert "read" in gate.admit({"HTTP_AUTHORIZATION": f"Bearer {key}"}, "read", browser=False).scopes
    assert gate.admit({"HTTP_AUTHORIZATION": f"bearer {new}"}, "events", browser=False).scopes == {"read", "events"}


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, "RECSYS_KEYS_READ"),
        ({"RECSYS_KEYS_READ": "short"}, "RECSYS_KEYS_READ"),
        ({"RECSYS_KEYS_ADMIN": "a" * 31}, "RECSYS_KEYS_ADMIN"),
        ({"RECSYS_KEYS_READ": "é" * 32}, "RECSYS_KEYS_READ"),
        (ENVIRONMENT | {"RECSYS_TOKEN_SECRETS": "k1:" + "s" * 31}, "RECSYS_TOKEN_SECRETS (k1)"),
        (ENVIRONMENT | {"RECSYS_TOKEN_SECRETS": "s" * 40}, "kid:secret"),
    ],
)
def test_weak_or_missing_secrets_are_refused_at_start(environment: dict[str, str], named: str) -> None:
    """The service does not start without keys or with short ones; the error names the variable, not the secret."""
    with pytest.raises(SettingsError) as error:
        Authenticator.from_environment(environment, WebSettings())
    assert named in str(error.value)
    assert not any(secret in str(error.value) for secret in environment.values())


def test_a_token_reads_its_own_shopper_and_what_is_the_same_for_all(web: FlaskClient) -> None:
    """A browser token opens its shopper's slates, items and bestsellers."""
    headers = bearer(token("ada"))
    assert web.get(HOME, headers=headers).get_json()["user_id"] == "ada"
    assert web.post("/v1/slates", json=PAGE, headers=headers).status_code == 200
    assert web.get("/v1/bestsellers", headers=headers).status_code == 200
    assert web.get("/v1/popular", headers=headers).status_code == 200
    assert web.get("/v1/items/no-such-item/similar", headers=headers).status_code == 404


def test_a_token_opens_nothing_else(web: FlaskClient) -> None:
    """Another shopper's slates, bulk answers, metrics and `now` are 403 for a browser token."""
    headers = bearer(token("ada"))
    assert web.get("/v1/users/bob/recommendations", headers=headers).status_code == 403
    assert web.get("/v1/users/ada/x/recommendations", headers=headers).status_code == 403
    assert web.post("/v1/slates", json={"user_id": "bob", "placements": ["home"]}, headers=headers).status_code == 403
    assert web.post("/v1/slates", json={"placements": ["home"]}, headers=headers).status_code == 403
    assert web.post("/v1/recommendations", json={"user_ids": ["ada"]}, headers=headers).status_code == 403
    assert web.get("/metrics", headers=headers).status_code == 403
    assert web.get(f"{HOME}?now=0", headers=headers).status_code == 403


def test_a_token_of_a_user_id_with_slashes_and_emoji_works(web: FlaskClient) -> None:
    """The sub of a token is compared with the decoded id of the path."""
    answer = web.get("/v1/users/a%2Fb%20%F0%9F%98%80/recommendations", headers=bearer(token("a/b 😀")))
    assert answer.get_json()["user_id"] == "a/b 😀"


def _unsigned() -> str:
    parts = (b'{"alg":"none","kid":"k1"}', b'{"sub":"ada","iat":1,"exp":99999999999}', b"")
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def _deep() -> str:
    return base64.urlsafe_b64encode(b"[" * 3000).decode() + ".e30.e30"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: token("ada", exp=int(time.time()) - 60),
        lambda: token("ada", iat=int(time.time()) + 600),
        lambda: token("ada", exp=int(time.time()) + 3700),
        lambda: token("ada", exp=None),
        lambda: token("ada", iat=None),
        lambda: token("ada", sub=None),
        lambda: token("ada", sub=""),
        lambda: token("ada", sub="x" * 257),
        lambda: token("ada", exp="soon"),
        lambda: token("ada", secret="another-secret-of-at-least-32-characters"),
        lambda: token("ada", kid="k2"),
        lambda: token("ada", algorithm="HS512", secret=TOKEN_SECRET * 2),
        _unsigned,
        _deep,
        lambda: "a.b.c",
        lambda: "..",
    ],
)
def test_a_wrong_token_is_401(web: FlaskClient, wrong: Callable[[], str]) -> None:
    """Expired, from the future, too long-lived, incomplete, wrongly signed or unreadable tokens are 401, never 500."""
    answer = web.get(HOME, headers=bearer(wrong()))
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_a_token_may_live_as_long_as_the_setting_says(artifacts: Path) -> None:
    """exp − iat may be token_minutes and not a second more."""
    web = client(artifacts, token_minutes=5)
    now = int(time.time())
    assert web.get(HOME, headers=bearer(token("ada", iat=now, exp=now + 300))).status_code == 200
    assert web.get(HOME, headers=bearer(token("ada", iat=now, exp=now + 301))).status_code == 401


def test_both_secrets_of_the_ring_sign_tokens() -> None:
    """While the token secret is rotated, tokens of the old and of the new kid are valid."""
    ring = {"RECSYS_TOKEN_SECRETS": f"k1:{TOKEN_SECRET},k2:{TOKEN_SECRET[::-1]}"}
    gate = Authenticator.from_environment(ENVIRONMENT | ring, WebSettings())
    for kid, secret in (("k1", TOKEN_SECRET), ("k2", TOKEN_SECRET[::-1])):
        environ = {"HTTP_AUTHORIZATION": "Bearer " + token("ada", secret=secret, kid=kid)}
        assert gate.admit(environ, "read", browser=True).user_id == "ada"


def test_without_authentication_only_this_machine_is_answered(artifacts: Path) -> None:
    """With auth = "off" callers from elsewhere, also behind a proxy on this machine, are refused."""
    web = client(artifacts, auth="off", development=True)
    assert web.get(f"{HOME}?now=0").status_code == 200
    elsewhere: list[dict[str, Any]] = [
        {"environ_overrides": {"REMOTE_ADDR": "192.0.2.1"}},
        {"headers": {"X-Forwarded-For": "192.0.2.1"}},
        {"headers": {"Forwarded": "for=192.0.2.1"}},
    ]
    for how in elsewhere:
        assert web.get(HOME, **how).status_code == 403


def test_authentication_is_off_in_development_only() -> None:
    """auth = "off" is refused without development = true, and by every server."""
    with pytest.raises(SettingsError, match="development"):
        Authenticator.from_environment(ENVIRONMENT, WebSettings(auth="off"))
    off = WebSettings(auth="off", development=True)
    with pytest.raises(SettingsError, match="RECSYS_KEYS_READ"):
        check_served(off)
    check_served(WebSettings())
