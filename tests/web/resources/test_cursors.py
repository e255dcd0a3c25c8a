"""Lists that go on: no item twice, none missing, whatever happens between two pages."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from recsys.types import Query
from recsys.web.app import Application
from recsys.web.http.cursors import MAX_LENGTH, MAX_ROWS, Cursor, items_of, read_cursor
from tests.conftest import Shop, event
from tests.support.servers.intake import EVENTS, intake
from tests.support.servers.serving import ADMIN, READ, bearer, client, token

ITEMS = 1500
VERSION = "20260331T120000Z-435df074f9af"
ADA = "/v1/users/ada/recommendations?limit=12"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop of 1,500 items that everybody looked at once."""
    shop = Shop(tmp_path_factory.mktemp("large"))
    shop.items = [
        {"item_id": f"X{n:05}", "title": f"T{n}", "category": f"C > S{n % 9}", "price": n + 1.0} for n in range(ITEMS)
    ]
    shop.add(*(event(f"u{n}", f"X{n:05}") for n in range(ITEMS)))
    shop.add(event("ada", "X00007"), event("ada", "X00016", "cart_add"))
    shop.publish()
    return shop.folder / "artifacts"


@pytest.fixture
def app(large: Path, tmp_path: Path) -> Application:
    """The service over it, with a log of the test's own."""
    return intake(large, tmp_path)


def get(web: FlaskClient, address: str, cursor: str, headers: dict[str, str] = READ) -> dict[str, Any]:
    """One page of a list."""
    answer = web.get(f"{address}{'&' if '?' in address else '?'}cursor={cursor}", headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def pages(web: FlaskClient, address: str, between: Callable[[int], None] = lambda page: None) -> Iterator[list[str]]:
    """The item ids of each page of a list, to its end."""
    cursor = "*"
    for page in range(1000):
        found = get(web, address, cursor)
        yield [item["item_id"] for item in found["items"]]
        cursor = found["next_cursor"]
        if cursor is None:
            return
        assert len(cursor) <= 100 + ITEMS / 4  # a head, and two bits an item of the catalogue
        between(page)
    raise AssertionError("the list has no end")


def refused(web: FlaskClient, address: str, cursor: str, headers: dict[str, str] = READ) -> bool:
    """Whether a cursor is refused as none of this list, in words."""
    answer = web.get(f"{address}{'&' if '?' in address else '?'}cursor={quote(cursor)}", headers=headers)
    if answer.status_code == 200:
        return False
    assert (answer.status_code, answer.get_json()["parameter"]) == (400, "cursor")
    return True


@pytest.mark.parametrize("address", [ADA, "/v1/users/nobody/recommendations?limit=100", "/v1/bestsellers?limit=12"])
def test_a_list_is_scrolled_to_its_end(app: Application, address: str) -> None:
    """No item twice, none missing, each page full but the last; requests stay small."""
    shown = [item for page in pages(app.test_client(), address) for item in page]
    assert len(shown) == len(set(shown)) == ITEMS


def test_the_first_page_is_the_list_without_a_cursor(app: Application) -> None:
    """Asking for a cursor changes nothing but the member at the end; without one there is no such member."""
    web = app.test_client()
    plain = web.get(f"{ADA}&now=2026-03-31T12:00:00Z", headers=ADMIN).get_json()
    first = get(web, f"{ADA}&now=2026-03-31T12:00:00Z", "*", ADMIN)
    assert first.pop("next_cursor")
    assert first == plain


def test_pages_follow_the_shopper_and_the_shop_without_repeating(app: Application) -> None:
    """While items are looked at, sold out, come back and change their price, no item comes twice in fifty pages."""
    web = app.test_client()

    def meanwhile(page: int) -> None:
        rows = [{"user_id": "ada", "event_type": "view", "item_id": f"X{page * 29 % ITEMS:05}"}]
        changes = [
            {"item_id": f"X{page * 31 % ITEMS:05}", "available": page % 3 == 0},
            {"item_id": f"X{page * 17 % ITEMS:05}", "price": 5.0 + page},
        ]
        assert web.post("/v1/events", json={"events": rows}, headers=EVENTS).get_json()["accepted"] == 1
        assert web.patch("/v1/items", json={"items": changes}, headers=EVENTS).get_json()["accepted"] == 2

    scrolled = pages(web, ADA, meanwhile)
    shown = [item for _, page in zip(range(50), scrolled, strict=False) for item in page]
    assert len(shown) == len(set(shown)) == 50 * 12


@pytest.mark.long
def test_a_list_goes_on_over_a_new_snapshot(large: Path, tmp_path: Path) -> None:
    """Items have other rows there; what was shown stays shown. Once the old snapshot is deleted the list is gone, and says so."""
    shop = Shop(tmp_path)
    shop.items = [
        {"item_id": f"X{n:05}", "title": f"T{n}", "category": f"D > S{n % 7}", "price": 1.0} for n in range(ITEMS + 200)
    ]
    shop.add(*(event(f"u{n}", f"X{n:05}") for n in range(ITEMS)))
    artifacts = shop.folder / "artifacts"
    shutil.copytree(large, artifacts)
    app = intake(artifacts, tmp_path)
    web, shown, cursor = app.test_client(), [], "*"
    for _ in range(5):
        page = get(web, ADA, cursor)
        shown += [item["item_id"] for item in page["items"]]
        cursor = page["next_cursor"]
    old = page["snapshot"]
    assert shop.publish() != old
    app.service.live.refresh()
    begun, rest = cursor, []
    while cursor:
        page = get(web, ADA, cursor)
        rest += [item["item_id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert page["snapshot"] != old
    assert sorted(shown + rest) == [f"X{n:05}" for n in range(ITEMS + 200)]
    shutil.rmtree(artifacts / old)
    gone = intake(Path(shutil.copytree(artifacts, tmp_path / "elsewhere" / "artifacts")), tmp_path).test_client()
    answer = gone.get(f"{ADA}&cursor={begun}", headers=READ)
    assert answer.status_code == 410
    assert "begin again with cursor=*" in answer.get_json()["detail"]


def test_no_group_comes_twice(shop: Shop) -> None:
    """Of the variants of one model a list shows one, on whichever page."""
    variants = [{**shop.items[0], "item_id": f"v{n:02}", "group_id": f"g{n % 5}"} for n in range(30)]
    shop.items = [*variants, *({**shop.items[0], "item_id": f"alone-{n}"} for n in range(4))]
    shop.add(event("ada", "v00")).publish()
    shown = [item for page in pages(client(shop.folder / "artifacts"), "/v1/bestsellers?limit=2") for item in page]
    assert len(shown) == 5 + 4
    assert len({item if item.startswith("alone") else int(item[1:]) % 5 for item in shown}) == 9


@pytest.mark.long
def test_each_list_of_a_page_goes_on(app: Application) -> None:
    """Neither its own items nor those of the lists above it come again on the following pages."""
    web, cursors = app.test_client(), ["*", "*"]
    shown: list[list[str]] = [[], []]
    for _ in range(6):
        asked = [
            {"placement": "home", "limit": 5, "cursor": cursors[0]},
            {"placement": "bestsellers", "limit": 5, "cursor": cursors[1]},
            {"placement": "popular", "limit": 2},
        ]
        slates = web.post("/v1/slates", json={"user_id": "ada", "placements": asked}, headers=READ).get_json()["slates"]
        assert "next_cursor" not in slates[2]
        cursors = [slate["next_cursor"] for slate in slates[:2]]
        for own, slate in zip(shown, slates, strict=False):
            own += [item["item_id"] for item in slate["items"]]
        page = [item["item_id"] for slate in slates for item in slate["items"]]
        assert len(page) == len(set(page)) == 12
    assert [len(set(own)) for own in shown] == [30, 30]


def test_what_is_excluded_stays_excluded(app: Application) -> None:
    """On every later page, without being said again."""
    web = app.test_client()
    first, second = next(pages(web, "/v1/bestsellers?limit=2"))
    page = get(web, f"/v1/bestsellers?limit=1&exclude={second}", "*")
    assert [item["item_id"] for item in page["items"]] == [first]
    following = get(web, "/v1/bestsellers?limit=100", page["next_cursor"])
    assert not {first, second} & {item["item_id"] for item in following["items"]}


def test_a_cursor_belongs_to_its_question(app: Application) -> None:
    """Another shopper, placement, filter or context refuses it; another limit does not."""
    web = app.test_client()
    cursor = get(web, f"{ADA}&category=C", "*")["next_cursor"]
    assert not refused(web, f"{ADA}&category=C", cursor)
    assert not refused(web, "/v1/users/ada/recommendations?limit=3&category=C", cursor)
    assert not refused(web, f"{ADA}&category=C&exclude=X00001", cursor)
    for other in (
        ADA,
        f"{ADA}&category=C > S1",
        f"{ADA}&category=C&price_min=1",
        f"{ADA}&category=C&item_id=X00001",
        f"{ADA}&category=C&placement=cart",
        f"{ADA}&category=C&bought=allow",
        "/v1/users/bob/recommendations?limit=12&category=C",
        "/v1/bestsellers?category=C",
        "/v1/items/X00001/similar?category=C",
    ):
        assert refused(web, other, cursor), other


def test_other_text_is_no_cursor(app: Application) -> None:
    """Changed, cut or invented text is refused, never misread."""
    web = app.test_client()
    cursor = get(web, ADA, "*")["next_cursor"]
    wrong = [cursor[:-1], cursor + "A", "A" + cursor, cursor[:60] + ("B" if cursor[60] != "B" else "C") + cursor[61:]]
    for text in (*wrong, "**", "x", "=", "é", "A" * 100, "0" * MAX_LENGTH):
        assert refused(web, ADA, text), text
    assert web.get(f"{ADA}&cursor=", headers=READ).status_code == 400
    assert web.get(f"{ADA}&cursor={'A' * (MAX_LENGTH + 1)}", headers=READ).status_code == 400


def test_a_browser_scrolls_its_own_list(app: Application) -> None:
    """A token will do, and does not open the list of somebody else."""
    web, headers = app.test_client(), bearer(token("ada"))
    cursor = get(web, ADA, "*", headers)["next_cursor"]
    assert get(web, ADA, cursor, headers)["items"]
    assert web.get(f"/v1/users/bob/recommendations?cursor={cursor}", headers=headers).status_code == 403


def test_a_sends_slate_is_not_continued(app: Application) -> None:
    """It is pinned, and one."""
    answer = app.test_client().get(f"{ADA}&send_id=s&cursor=*", headers=READ)
    assert (answer.status_code, answer.get_json()["parameter"]) == (400, "cursor")


QUERY = Query(now=0, user_id="ada")


@given(st.sets(st.integers(0, 2**31 - 1), max_size=400))
def test_a_cursor_holds_exactly_what_was_shown(rows: set[int]) -> None:
    """Whatever the rows are, they come back, and for this question only."""
    cursor = Cursor(VERSION, np.array(sorted(rows), np.int32))
    text = cursor.text(QUERY)
    assert text is not None
    found = read_cursor(text, Query(now=5, user_id="ada", limit=3, exclude=("a",)))
    assert found is not None
    assert (found.version, found.rows.tolist()) == (VERSION, sorted(rows))
    assert read_cursor(text, Query(now=0, user_id="bob")) is None


@given(st.text(max_size=200))
def test_no_other_text_is_a_cursor(text: str) -> None:
    """Nor does any text raise."""
    assert read_cursor(text, QUERY) is None


def test_a_list_ends_before_its_cursor_outgrows_an_address() -> None:
    """Of a hundred thousand items about five thousand can be shown; a shop of five thousand is scrolled to its end."""
    large = np.arange(0, 100_000, 16, dtype=np.int32)
    rng = np.random.default_rng(20)
    scattered = [np.sort(rng.choice(100_000, count, replace=False)).astype(np.int32) for count in (4_000, 10_000)]
    assert Cursor(VERSION, scattered[0]).text(QUERY) is not None
    assert Cursor(VERSION, scattered[1]).text(QUERY) is None
    assert Cursor(VERSION, large).text(QUERY) is not None
    assert Cursor(VERSION, np.sort(rng.choice(5_000, 2_500, replace=False)).astype(np.int32)).text(QUERY) is not None


def test_a_cursor_hides_no_more_than_a_long_list_shows() -> None:
    """A list ends before its cursor names more items than are looked up; one that a caller made of more is none."""
    query, rows = Query(now=0, user_id="ada"), np.arange(MAX_ROWS, dtype=np.int32)
    longest = Cursor(VERSION, rows).text(query)
    assert longest is not None
    assert items_of(longest) == MAX_ROWS
    assert read_cursor(longest, query) is not None
    assert Cursor(VERSION, np.arange(MAX_ROWS + 1, dtype=np.int32)).text(query) is None


def test_the_cursors_of_a_page_hide_no_more_together(app: Application) -> None:
    """However many lists it has: whoever makes cursors has no more looked up."""
    cursor = Cursor(VERSION, np.arange(MAX_ROWS // 2 + 1, dtype=np.int32)).text(Query(now=0))
    lists = [{"placement": "home", "cursor": cursor}] * 2
    answer = app.test_client().post("/v1/slates", json={"placements": lists}, headers=READ)
    assert (answer.status_code, answer.get_json()["parameter"]) == (400, "cursor")
    assert str(MAX_ROWS) in answer.get_json()["detail"]
