"""Pages of other origins: who may read an answer, and that errors can be read too."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from recsys.types import SettingsError
from recsys.web.http.browsers.cors import PREFLIGHT_SECONDS, check_origin
from tests.support.servers.serving import READ, bearer, client, token

SHOP = "https://shop.example"
HOME = "/v1/users/ada/recommendations"


@pytest.fixture(scope="module")
def web(artifacts: Path) -> FlaskClient:
    """The service, open to the pages of two origins."""
    return client(artifacts, origins=(SHOP, "http://127.0.0.1:8001"))


def cors_headers(headers: object) -> dict[str, str]:
    """The headers of an answer that browsers read before a page may."""
    pairs: dict[str, str] = dict(headers)  # type: ignore[call-overload]
    return {name: value for name, value in pairs.items() if name.startswith("Access-Control-")}


@pytest.mark.parametrize("origin", [SHOP, "http://127.0.0.1:8001"])
@pytest.mark.parametrize(
    ("address", "status", "headers"),
    [
        (HOME, 200, READ),
        (HOME, 200, bearer(token("ada"))),
        (HOME, 401, {}),
        (HOME, 403, bearer(token("bob"))),
        (f"{HOME}?limit=0", 400, READ),
        ("/v1/no-such-call", 404, {}),
        ("/v1/slates", 405, READ),
        ("/v1/bestsellers", 200, READ),
    ],
)
def test_a_page_of_the_shop_reads_answers_and_errors(
    web: FlaskClient, origin: str, address: str, status: int, headers: dict[str, str]
) -> None:
    """The origin itself is named, never a star, whatever the answer; caches keep the origins apart."""
    answer = web.get(address, headers={**headers, "Origin": origin})
    assert answer.status_code == status
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert "Origin" in answer.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    [
        "https://shop.example.evil.example",
        "https://evil-shop.example",
        "http://shop.example",
        "https://shop.example:8443",
        "https://shop.example/",
        "HTTPS://SHOP.EXAMPLE",
        "null",
        "",
        "*",
    ],
)
def test_a_page_of_another_origin_reads_nothing(web: FlaskClient, origin: str) -> None:
    """Whatever looks like an origin of the shop and is none gets no header, nor a preflight's."""
    assert cors_headers(web.get(HOME, headers={**READ, "Origin": origin}).headers) == {}
    asked = {"Origin": origin, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    assert cors_headers(web.options(HOME, headers=asked).headers) == {}


def test_without_an_origin_nothing_is_added(web: FlaskClient, artifacts: Path) -> None:
    """What servers and people ask for is answered as without the setting."""
    asked = web.get(HOME, headers=READ).headers
    assert cors_headers(asked) == {}
    assert set(asked.keys()) == set(client(artifacts).get(HOME, headers=READ).headers.keys())


def test_without_the_setting_no_page_may_call(artifacts: Path) -> None:
    """The default is closed."""
    assert cors_headers(client(artifacts).get(HOME, headers={**READ, "Origin": SHOP}).headers) == {}


@pytest.mark.parametrize(("address", "method"), [(HOME, "GET"), ("/v1/slates", "POST"), ("/v1/events", "POST")])
def test_a_preflight_needs_no_token_and_is_remembered(web: FlaskClient, address: str, method: str) -> None:
    """It allows the method and the headers that a call needs, for as long as browsers take."""
    asked = {
        "Origin": SHOP,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    answer = web.options(address, headers=asked)
    assert answer.status_code == 200
    found = cors_headers(answer.headers)
    assert found["Access-Control-Allow-Origin"] == SHOP
    assert method in found["Access-Control-Allow-Methods"].split(", ")
    assert {"Authorization", "Content-Type"} <= set(found["Access-Control-Allow-Headers"].split(", "))
    assert found["Access-Control-Max-Age"] == str(PREFLIGHT_SECONDS)


def test_a_page_may_read_what_it_needs(web: FlaskClient) -> None:
    """Among the headers: the ETag, where a list goes on, and when to come again."""
    exposed = web.get("/v1/bestsellers", headers={**READ, "Origin": SHOP}).headers["Access-Control-Expose-Headers"]
    assert {"ETag", "Next-Cursor", "Retry-After"} == set(exposed.split(", "))


@pytest.mark.parametrize(
    "wrong",
    [
        "*",
        "",
        "null",
        "shop.example",
        "https://shop.example/",
        "https://shop.example/path",
        "https://*.shop.example",
        "https://Shop.example",
        "https://shop.example:443",
        "http://shop.example:80",
        "https://shop.example https://b.example",
        "https://user@shop.example",
        "https://shop.example\n",
        "ftp://shop.example",
    ],
)
def test_what_is_no_origin_is_refused_at_start(artifacts: Path, wrong: str) -> None:
    """No star, no path, nothing that a browser would not send: it could match nothing, or too much. The error says what to write."""
    with pytest.raises(SettingsError, match="no path, no slash at its end") as error:
        client(artifacts, origins=(SHOP, wrong))
    assert repr(wrong) in str(error.value)


@pytest.mark.parametrize("origin", [SHOP, "http://localhost:3000", "http://[::1]:8001", "https://xn--bcher-kva.example"])
def test_origins_as_browsers_send_them_are_taken(origin: str) -> None:
    """Names, addresses and ports."""
    assert check_origin(origin) == origin
