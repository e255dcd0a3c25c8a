"""The client of a shop's backend, against the service as it runs."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import msgspec
import pytest
from recsys_client import Client, Item, Reason, RecsysError, Slate

from recsys.web.http.answers import CatalogItemAnswer, ItemAnswer, SlateAnswer
from tests.support.servers.browser import Recommendations
from tests.support.servers.intake import EVENTS_KEY
from tests.support.servers.running import ROOT
from tests.support.servers.serving import READ_KEY, TOKEN_SECRET

KEYS = {"read_key": READ_KEY, "events_key": EVENTS_KEY, "token_secret": f"k1:{TOKEN_SECRET}"}


@pytest.fixture(scope="module")
def service(artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recommendations]:
    """The service over the busy shop."""
    running = Recommendations(tmp_path_factory.mktemp("service"), artifacts, [])
    yield running
    running.stop()


@pytest.fixture
def recsys(service: Recommendations) -> Iterator[Client]:
    """A client with all that a backend has."""
    with Client(service.origin, **KEYS, timeout=10) as made:  # type: ignore[arg-type]
        yield made


@pytest.mark.long
def test_a_backend_asks_for_slates(recsys: Client) -> None:
    """One, those of a page, and page after page."""
    slate = recsys.recommend("user-0", "home", limit=3, category="Home", exclude=["sofa-1"])
    assert (slate.user_id, slate.placement, len(slate.items)) == ("user-0", "home", 3)
    assert all(item.reason and item.reason.text and item.score is not None for item in slate.items)
    assert "sofa-1" not in {item.item_id for item in slate.items}
    first, second = recsys.page("user-0", ["home", {"placement": "bestsellers", "limit": 2}])
    assert not {item.item_id for item in first.items} & {item.item_id for item in second.items}
    assert recsys.page(None, ["bestsellers"])[0].user_id is None
    begun = recsys.recommend("a/b 😀", limit=4, cursor="*")
    following = recsys.recommend("a/b 😀", limit=4, cursor=begun.next_cursor)
    assert not {item.item_id for item in begun.items} & {item.item_id for item in following.items}


def test_a_backend_asks_for_items(recsys: Client) -> None:
    """In the order asked, without those that are none."""
    found = recsys.items(["lamp-1", "nothing", "sofa-1"])
    assert [(item.item_id, item.price, item.reason) for item in found] == [("lamp-1", 80.0, None), ("sofa-1", 900.0, None)]


def test_a_backend_tells_what_happened(recsys: Client, service: Recommendations) -> None:
    """Events, also thousands; who a visitor turned out to be; and prices."""
    rows = [{"event_type": "search", "user_id": "many", "query": str(n)} for n in range(2001)]
    rows[1500] = {"event_type": "view", "user_id": "many"}
    sent = recsys.send(rows)
    assert (sent.accepted, sent.duplicates, [each.index for each in sent.rejected]) == (2000, 0, [1500])
    assert "item_id" in sent.rejected[0].error
    told = {
        "event_type": "view",
        "user_id": "many",
        "item_id": "sofa-1",
        "timestamp": "2026-03-30T12:00:00Z",
        "event_id": None,
    }
    assert [recsys.send([told]).duplicates for _ in range(2)] == [0, 1], (
        "the service derives its id, as of the row in a table"
    )
    lines = [
        {"event_type": "purchase", "user_id": "many", "item_id": "sofa-2", "order_id": "R-1", "timestamp": told["timestamp"]}
    ]
    sent = recsys.send([{**told, "item_id": f"n-{n}"} for n in range(999)] + lines * 2)
    assert (sent.accepted, sent.duplicates) == (1001, 0), "two equal lines of an order, also where a request ends"
    once = {"event_type": "purchase", "user_id": "many", "item_id": "sofa-1", "event_id": "o-1:1"}
    assert [recsys.send([once]).duplicates for _ in range(2)] == [0, 1]
    recsys.link("visitor-of-the-client", "user-0")
    changed = recsys.update_items([{"item_id": "lamp-2", "price": 99}, {"item_id": "nothing", "price": 1}])
    assert (changed.accepted, len(changed.rejected)) == (1, 1)
    assert recsys.items(["lamp-2"])[0].price == 99


def test_its_tokens_open_what_a_browser_may(recsys: Client, service: Recommendations) -> None:
    """They are those that the service knows, of ids in any script."""
    for user_id in ("ada", "a/b 😀", 'quote"'):
        with Client(service.origin, read_key=recsys.token(user_id), timeout=10) as browser:
            assert browser.recommend(user_id).user_id == user_id
            with pytest.raises(RecsysError, match="another user") as error:
                browser.recommend("bob")
        assert error.value.status == 403
    with pytest.raises(ValueError, match="kid:secret"):
        Client(service.origin).token("ada")


def test_of_several_secrets_the_first_signs() -> None:
    """As `RECSYS_TOKEN_SECRETS` holds them while they are rotated, with commas or blanks between."""
    for secrets in (f"k1:{TOKEN_SECRET},k2:other", f" k1:{TOKEN_SECRET}  k2:other\n", f"k1:{TOKEN_SECRET}, k2:other"):
        token = Client("http://127.0.0.1", token_secret=secrets).token("ada")
        assert jwt.decode(token, TOKEN_SECRET, algorithms=["HS256"])["sub"] == "ada"
        assert jwt.get_unverified_header(token)["kid"] == "k1"


def test_an_id_that_is_a_number_is_signed_as_the_text_that_the_service_knows() -> None:
    """As a session often holds it."""
    token = Client("http://127.0.0.1", token_secret=f"k1:{TOKEN_SECRET}").token(7)
    assert jwt.decode(token, TOKEN_SECRET, algorithms=["HS256"])["sub"] == "7"


@pytest.mark.parametrize("user_id", [None, True, 7.0, b"ada", "", "  "])
def test_an_id_of_nobody_gets_no_token(user_id: Any) -> None:
    """All who are not signed in would be one shopper, "None"."""
    with pytest.raises(ValueError, match="user_id: allowed are text and whole numbers"):
        Client("http://127.0.0.1", token_secret=f"k1:{TOKEN_SECRET}").token(user_id)


def test_a_visitor_gets_no_token_of_a_user(recsys: Client, service: Recommendations) -> None:
    """An anonymous id comes from the browser, so only one that the kit drew is taken."""
    visitor = "anon-" + "0123456789abcdef" * 2
    with Client(service.origin, read_key=recsys.visitor_token(visitor), timeout=10) as browser:
        assert browser.recommend(visitor).user_id == visitor
    for wrong in ("user-0", "anon-", visitor.upper(), visitor + "0", visitor + "\n", None, 5, ["anon"]):
        with pytest.raises(ValueError, match="anonymous_id"):
            recsys.visitor_token(wrong)


def test_what_is_not_asked_for_filters_nothing(recsys: Client) -> None:
    """A filter of None is none; what of a question nobody knows is said."""
    assert recsys.recommend("user-0", category=None, brand=None, limit=3).items
    found = recsys.recommend("user-0", brand="Nobody")
    assert (found.items, "Nobody" in found.notices[0]) == ((), True)


def test_a_forked_process_opens_its_own_connections(recsys: Client) -> None:
    """Over its parent's each would read what the other asked for."""
    recsys.items(["sofa-1"])
    kept = list(recsys._idle)
    assert kept
    reader, writer = os.pipe()
    if not (child := os.fork()):
        os.write(writer, b"own" if recsys._connection() not in kept else b"parent's")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 100) == b"own"
    assert list(recsys._idle) == kept
    os.close(reader)
    os.close(writer)


def test_what_is_refused_is_said(recsys: Client, service: Recommendations) -> None:
    """With the status and the words of the service, at once: a second try would not help."""
    with pytest.raises(RecsysError, match="limit") as error:
        recsys.recommend("ada", limit=0)
    assert (error.value.status, error.value.problem["parameter"]) == (400, "limit")
    with Client(service.origin, read_key="wrong" * 8) as wrong, pytest.raises(RecsysError) as error:
        wrong.recommend("ada")
    assert error.value.status == 401
    assert "wrongwrong" not in str(error.value)
    for address in ("recs.shop.example", "ftp://recs.shop.example", "https://"):
        with pytest.raises(ValueError, match="is no address"):
            Client(address)


class Unreliable:
    """A service that answers as it is told: a status, or None for no answer."""

    def __init__(self, *answers: int | None) -> None:
        stated, self.asked = list(answers), []  # type: ignore[var-annotated]
        outer = self

        class Handler(BaseHTTPRequestHandler):
            """Answers in turn."""

            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                """Answer, or do not."""
                outer.asked.append(msgspec.json.decode(self.rfile.read(int(self.headers["Content-Length"]))))
                status = stated.pop(0)
                if status is None:
                    self.close_connection = True
                    return
                body = b'{"accepted":1,"duplicates":0,"rejected":[]}' if status < 300 else b'{"detail":"no"}'
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()


@pytest.mark.long
@pytest.mark.parametrize("first", [None, 429, 500, 502, 503, 504])
def test_what_may_be_better_soon_is_tried_again(first: int | None) -> None:
    """The same events with the same ids, so that they count once; and only as often as was said."""
    flaky = Unreliable(first, 202)
    with Client(flaky.address, events_key="k") as client:
        assert client.send([{"event_type": "home_view", "user_id": "a"}]).accepted == 1
    assert len(flaky.asked) == 2
    assert flaky.asked[0] == flaky.asked[1]
    assert flaky.asked[0]["events"][0]["event_id"]
    flaky.close()
    down = Unreliable(first, first, 202)
    with Client(down.address, events_key="k") as client, pytest.raises(RecsysError) as error:
        client.send([{"event_type": "home_view", "user_id": "a"}])
    assert error.value.status == (first or 0)
    assert len(down.asked) == 2
    down.close()


def test_a_silent_service_is_not_waited_for() -> None:
    """Two tries of the timeout each, then an error that says so."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = Client(f"http://127.0.0.1:{silent.getsockname()[1]}", read_key="k", timeout=0.1)
        begun = time.monotonic()
        with pytest.raises(RecsysError, match="no answer from 127") as error:
            client.recommend("ada")
        assert 0.2 <= time.monotonic() - begun < 2
        assert error.value.status == 0


def test_threads_share_a_client(recsys: Client) -> None:
    """Each call has a connection to itself."""
    found: list[Slate] = []
    threads = [threading.Thread(target=lambda: found.append(recsys.recommend("user-0"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [slate.user_id for slate in found] == ["user-0"] * 8


def test_its_types_are_those_of_the_service() -> None:
    """Members that the client names exist in the answers, in full for items and reasons."""
    names = {kind: {field.name for field in dataclasses.fields(kind)} for kind in (Item, Slate, Reason)}
    assert names[Item] == set(ItemAnswer.__struct_fields__) >= set(CatalogItemAnswer.__struct_fields__)
    assert names[Slate] - {"next_cursor"} <= set(SlateAnswer.__struct_fields__)


def test_it_needs_the_standard_library_only() -> None:
    """A backend of any kind can have it: it imports nothing else."""
    code = "import sys; sys.path.insert(0, 'clients/python'); had = set(sys.modules); import recsys_client; "
    code += "print(*{name.partition('.')[0] for name in set(sys.modules) - had})"
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {*sys.stdlib_module_names, "recsys_client"}
