"""The manual's snippets for messaging tools, run as they stand there, against the service over real connections."""

from __future__ import annotations

import base64
import html
import json
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote, urlsplit

import jinja2
import polars as pl
import pytest
from liquid import Environment, RenderContext
from liquid.ast import Node
from liquid.stream import TokenStream
from liquid.tag import Tag
from liquid.token import TOKEN_TAG, Token

from tests.conftest import ITEMS, Shop, ago, busy_events, event
from tests.support.servers.patience import PATIENCE_SECONDS
from tests.support.servers.running import ROOT, start, stop
from tests.support.servers.serving import MESSAGES_KEY, READ_KEY, bearer
from training.batch.export import flat_schema

MANUAL = (ROOT / "docs" / "messages.md").read_text().partition("\n## In your messaging tool\n")[2]
SERVICE, SEND = "https://recs.shop.example", "2026-w14"
SMALLEST_LIMIT = 1_000_000
"""Bytes of the largest answer that every one of the tools takes: Braze's."""
MARKED = "Oak <b>sofa</b> & “table”"
BARE = "bare-1"
WITHOUT = ("Chosen for you", "https://shop.example/", "https://shop.example/logo.png")
"""What stands where an item has no title, address or picture."""
INSTEAD = '<p><a href="https://shop.example/">See what is new</a></p>'
SETTINGS = 'clock = "events"\n[messages]\nunseen_sends = 0\npublic_url = "https://m.shop.example"\n'
KEYS = {"recommendations": READ_KEY, "cards": MESSAGES_KEY}
CURL = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
Pairs = list[tuple[str, str, str]]


def snippets(tool: str) -> list[str]:
    """The fenced blocks under a tool's heading."""
    section = re.split(r"\n##+ ", MANUAL.partition(f"\n### {tool}")[2])[0]
    return re.findall(r"```\w*\n(.*?)\n```", section, re.DOTALL)


class FurnishedShop(Shop):
    """A shop with addresses, pictures and a currency, markup in a title, and one item of which only the id is known."""

    def write(self) -> None:
        """Write the tables, those columns too."""
        super().write()
        file = self.folder / "items.parquet"
        known = pl.col("item_id") != BARE
        pl.read_parquet(file).with_columns(
            url=pl.when(known).then(pl.format("https://shop.example/p/{}?a=1&b=2", "item_id")),
            image_url=pl.when(known).then(pl.format("https://img.example/{}.jpg", "item_id")),
            currency=pl.when(known).then(pl.lit("EUR")),
        ).write_parquet(file)


@dataclass(frozen=True)
class Service:
    """The service as a tool reaches it; nothing listens where it is down."""

    port: int
    keys: Mapping[str, str]

    def placed(self, text: str, send: str = SEND) -> str:
        """Text of the manual with this service and send in the place of its examples."""
        return text.replace(SERVICE, f"http://127.0.0.1:{self.port}").replace(SEND, send)

    def fetch(self, address: str, authorization: str) -> tuple[int, HTTPMessage, bytes]:
        """GET once, without following redirects; status 0 where nothing answers."""
        parts = urlsplit(address)
        connection = HTTPConnection(parts.netloc, timeout=PATIENCE_SECONDS)
        try:
            connection.request("GET", f"{parts.path}?{parts.query}", headers={"Authorization": authorization})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except ConnectionError:
            return 0, HTTPMessage(), b"{}"
        finally:
            connection.close()

    def answered(self, path: str) -> dict[str, Any]:
        """The JSON that a call of the scope read answers."""
        status, _, body = self.fetch(self.placed(SERVICE + path), f"Bearer {READ_KEY}")
        assert status == 200
        return dict(json.loads(body))

    def slate(self, user: str) -> list[dict[str, Any]]:
        """A reader's items of the send."""
        found = self.answered(f"/v1/users/{quote(user, safe='')}/recommendations?send_id={SEND}")
        assert (found["user_id"], found["pinned"]) == (user, True)
        return list(found["items"])


def basic(key: str) -> str:
    """The header of tools that know user name and password."""
    return "Basic " + base64.b64encode(f"{key}:anything".encode()).decode()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A running shop with two sends: everything, and what was bought before."""
    items = [{**each, "title": MARKED if each["item_id"] == "sofa-1" else each["title"]} for each in ITEMS]
    items.append({"item_id": BARE, "title": None, "category": None, "brand": None, "price": None})
    shop = FurnishedShop(tmp_path_factory.mktemp("shop"), busy_events(), items)
    shop.add(*(event(f"user-{number}", BARE, "purchase", ago(2), order_id=f"bare-{number}") for number in range(1, 9)))
    shop.publish()
    secrets = {"RECSYS_SLOT_SECRETS": "slot-secret-of-at-least-32-characters"}
    server = start(shop.folder, shop.folder / "artifacts", "--workers", "1", web=SETTINGS, secrets=secrets)
    try:
        for send, placement in ((SEND, "email_weekly"), ("again", "buy_again")):
            body = {"placement": placement, "limit": 12, "template": "weekly", "expires_at": "2099-01-01T00:00:00Z"}
            assert server.send("PUT", f"/v1/sends/{send}", body, bearer(MESSAGES_KEY))[0].status == 201
        yield Service(server.port, KEYS)
    finally:
        stop(server)


@pytest.fixture(scope="module")
def failing(service: Service) -> Iterator[tuple[Service, Service]]:
    """The service while it is down, which refuses connections, and with keys that it refuses: 401 and a problem."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        yield Service(silent.getsockname()[1], KEYS), Service(service.port, dict.fromkeys(KEYS, "k" * 40))


def stated(items: list[dict[str, Any]]) -> Pairs:
    """Title, address and picture of each item, or what stands for them."""
    title, link, image = WITHOUT
    return [(item["title"] or title, item["url"] or link, item["image_url"] or image) for item in items]


def written(mail: str) -> Pairs:
    """The same, as a mail shows them to its reader."""
    found = re.findall(r'<img src="([^"]*)" alt="">\s*<a href="([^"]*)">([^<]*)</a>', mail)
    return [(html.unescape(title), html.unescape(link), html.unescape(image)) for image, link, title in found]


class AbortedError(Exception):
    """The tool does not send the message."""


class BrazeNode(Node):
    def __init__(self, token: Token, text: str) -> None:
        super().__init__(token)
        self.text = text

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        """Abort with the reason given; else fetch, and save the JSON object with its status. `:retry` would only delay that."""
        if self.token.value == "abort_message":
            raise AbortedError(self.text.strip("()'"))
        [(address, credential, name)] = re.findall(r"(.+) :basic_auth (\w+) :retry :save (\w+)", self.text)
        service = context.resolve("service")
        assert isinstance(service, Service)
        address = context.env.from_string(address).render(**context.globals)
        status, _, body = service.fetch(address, basic(service.keys[credential]))
        context.assign(name, {**json.loads(body), "__http_status_code__": status} if status else None)
        return 0


class ConnectedContent(Tag):
    """`{% connected_content address :basic_auth credential :retry :save name %}`."""

    name, block = "connected_content", False

    def parse(self, stream: TokenStream) -> Node:
        """Keep what stands in the tag."""
        token = stream.eat(TOKEN_TAG)
        return BrazeNode(token, stream.current.value)


class AbortMessage(ConnectedContent):
    name = "abort_message"


def braze(service: Service, user: str, send: str = SEND, snippet: int = 0) -> str:
    """Render as Braze does, where `${name}` is a name; raises AbortedError if the message is not sent."""
    environment = Environment()
    environment.add_tag(ConnectedContent)
    environment.add_tag(AbortMessage)
    environment.add_filter("url_param_escape", lambda value: quote(value, safe=""))
    text = service.placed(snippets("Braze")[snippet], send)
    return environment.from_string(re.sub(r"\$\{(\w+)\}", r"\1", text)).render(user_id=user, service=service)


def clevertap(service: Service, user: str, send: str = SEND) -> str:
    """Render as CleverTap does: fetched before, `Linked.<API>` holds the answer and its status."""
    request, template = snippets("CleverTap")
    call, header = service.placed(request, send).splitlines()
    address = call.removeprefix("GET ").replace("{{user_id}}", quote(user, safe=""))
    authorization = header.removeprefix("Authorization: ").replace("RECSYS_KEY", service.keys["recommendations"])
    status, _, body = service.fetch(address, authorization)
    linked = {**json.loads(body), "http_status_code": status or None}
    return Environment().from_string(template).render(Linked={"Recommendations": linked})


class DjangoLike(jinja2.Environment):
    """Jinja that reads what Klaviyo's Django templates and Jinja share: `a.b` is a key first, and filters take `:argument`."""

    def __init__(self) -> None:
        super().__init__(autoescape=True, undefined=jinja2.ChainableUndefined)
        self.filters["default"] = lambda value, other: value or other
        self.filters["lookup"] = lambda value, name: value.get(name, "")
        self.filters["floatformat"] = lambda value, digits: "" if value is None else f"{value:.{digits}f}"

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A key goes before a method of its name."""
        return self.getitem(obj, attribute)


def klaviyo(snippet: int, **values: Any) -> str:
    """Render one of Klaviyo's templates."""
    text = re.sub(r"\|(\w+):('[^']*'|\d+)", r"|\1(\2)", snippets("Klaviyo")[snippet])
    return DjangoLike().from_string(text).render(values)


def bash(service: Service, script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a snippet in a folder as a shell does."""
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "RECSYS_KEY": service.keys["recommendations"]}
    return subprocess.run(
        ["bash", "-c", service.placed(script)], cwd=folder, env=environment, capture_output=True, text=True
    )


def test_every_snippet_is_run() -> None:
    """None stands where no test looks for it."""
    tools = {"CleverTap": 2, "Braze": 2, "Klaviyo": 3, "curl": 1}
    assert {tool: len(snippets(tool)) for tool in tools} == tools
    assert MANUAL.count("\n```") == 2 * sum(tools.values())


@pytest.mark.long
@pytest.mark.parametrize("render", [clevertap, braze])
@pytest.mark.parametrize("user", ["user-0", "nobody knows", "a/b & ü?#%2F"])
def test_a_mail_shows_the_slate(service: Service, render: Any, user: str) -> None:
    """All items in their order, whoever reads and whatever their id is; the reader sees titles, never markup."""
    mail, items = render(service, user), service.slate(user)
    assert written(mail) == stated(items)
    assert len(items) >= 6
    assert "<b>" not in mail


@pytest.mark.parametrize("render", [clevertap, braze])
def test_what_is_not_known_of_an_item_is_filled(service: Service, render: Any) -> None:
    """Without title, price, currency, picture and address an item still has words, a picture and a link, and no price."""
    mail = render(service, "nobody")
    assert {WITHOUT[0], MARKED} < {title for title, _, _ in written(mail)}
    assert mail.count(" EUR</p>") == len(written(mail)) - 1 == 11
    assert not re.search(r"None|null|nil", mail)


def test_clevertap_falls_back(service: Service, failing: tuple[Service, Service]) -> None:
    """An empty list, a refused key and a service that is down give the reader the text after `else`."""
    for place, send in ((service, "again"), *((each, SEND) for each in failing)):
        assert clevertap(place, "nobody", send).strip() == INSTEAD


@pytest.mark.parametrize("snippet", [0, 1])
def test_braze_sends_nothing(service: Service, failing: tuple[Service, Service], snippet: int) -> None:
    """An empty list, a refused key and a service that is down abort the message, with a reason for the log."""
    failed, empty = [("recommendations: no answer", "recommendations: none"), ("recommendations: no card",) * 2][snippet]
    for place, send, reason in ((service, "again", empty), *((each, SEND, failed) for each in failing)):
        with pytest.raises(AbortedError) as aborted:
            braze(place, "nobody", send, snippet)
        assert aborted.value.args == (reason,)


def test_braze_prints_a_card(service: Service) -> None:
    """The whole mail with the items of the send."""
    mail = braze(service, "user-0", snippet=1)
    assert mail.strip().startswith("<!")
    assert all(html.escape(item["title"] or "", quote=False) in mail for item in service.slate("user-0"))


def test_a_feed_shows_what_everybody_buys(service: Service) -> None:
    """The bestsellers, an item of which little is known among them; a feed that is empty or missing gives the text after `else`."""
    feed = service.answered("/v1/bestsellers?limit=12")
    mail = klaviyo(1, feeds={"bestsellers": feed})
    assert written(mail) == stated(feed["items"])
    assert WITHOUT in written(mail)
    assert mail.count(" EUR</p>") == len(feed["items"]) - 1
    assert "900.00 EUR" in mail
    without_currency = [{**item, "currency": None} for item in feed["items"]]
    assert not re.search(r"None|null", mail + klaviyo(1, feeds={"bestsellers": {"items": without_currency}}))
    for feeds in ('{"bestsellers": {"items": []}}', '{"bestsellers": null}', "{}"):
        assert klaviyo(1, feeds=json.loads(feeds)).strip() == INSTEAD


def test_profiles_show_what_was_imported() -> None:
    """The first item of the flat file's columns; readers without one, or with empty cells, get the words for nobody."""
    person = {name: f"{name}&" for name in flat_schema(1).names()}
    assert klaviyo(2, person=person) == '<p><a href="item_1_url&amp;">item_1_title&amp;</a></p>'
    for nobody in ({}, dict.fromkeys(person, "")):
        assert klaviyo(2, person=nobody) == '<p><a href="https://shop.example/">Chosen for you</a></p>'


@CURL
def test_the_feed_file_is_always_good(service: Service, failing: tuple[Service, Service], tmp_path: Path) -> None:
    """It is what the service answers; where that fails or is empty the last good one stays, and the command says so."""
    script, file = snippets("Klaviyo")[0], tmp_path / "bestsellers.json"
    assert bash(service, script, tmp_path).returncode == 0
    good = file.read_bytes()
    assert json.loads(good) == service.answered("/v1/bestsellers?limit=12")
    empty = script.replace("limit=12", "limit=12&category=Nowhere")
    for place, asked in ((service, empty), *((each, script) for each in failing)):
        done = bash(place, asked, tmp_path)
        assert (done.returncode != 0, "curl: (" in done.stderr, file.read_bytes()) == (True, place is not service, good)


@CURL
def test_curl_always_leaves_a_list(service: Service, failing: tuple[Service, Service], tmp_path: Path) -> None:
    """The slate, empty where there is none, where the key is refused and where the service is down."""
    (script,) = snippets("curl")
    file = tmp_path / "recommendations.json"
    again = script.replace("user-0", "nobody").replace(SEND, "again")
    down, refused = failing
    for place, asked, said in ((down, script, "curl: (7)"), (refused, script, "401"), (service, again, "")):
        file.write_text("the last one")
        done = bash(place, asked, tmp_path)
        assert (done.returncode, said in done.stderr) == (0, True)
        assert json.loads(file.read_bytes())["items"] == []
    assert bash(service, script, tmp_path).stderr == ""
    assert json.loads(file.read_bytes())["items"] == service.slate("user-0")


@pytest.mark.parametrize(
    ("path", "credential"),
    [
        (f"/v1/users/nobody/recommendations?send_id={SEND}", "recommendations"),
        (f"/v1/sends/{SEND}/users/nobody/card", "cards"),
        ("/v1/bestsellers?limit=12", "recommendations"),
    ],
)
def test_answers_fit_every_tool(service: Service, path: str, credential: str) -> None:
    """One JSON object for twelve items or a problem, no redirect, and a length that is told and far below the smallest limit."""
    for key, status in ((KEYS[credential], 200), ("k" * 40, 401)):
        found, headers, body = service.fetch(service.placed(SERVICE + path), basic(key))
        assert (found, isinstance(json.loads(body), dict), headers["Location"]) == (status, True, None)
        assert int(headers["Content-Length"]) == len(body) < SMALLEST_LIMIT / 20
        assert re.fullmatch(r"application/(problem\+)?json", headers["Content-Type"])
