"""Item updates over HTTP: price, stock and availability, judged one by one and seen at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from recsys.item_updates import ItemUpdate
from recsys.live.databases import log_in
from recsys.web.app import Application
from recsys.web.http.answers import RowResultsAnswer
from tests.support.servers.intake import EVENTS, intake, row_results
from tests.support.servers.serving import ADMIN, READ, bearer, token


@pytest.fixture
def app(artifacts: Path, tmp_path: Path) -> Application:
    """The service with a log of its own."""
    return intake(artifacts, tmp_path)


def patch(app: Application, *rows: Any, headers: dict[str, str] = EVENTS) -> TestResponse:
    """Change items."""
    return app.test_client().patch("/v1/items", json={"items": list(rows)}, headers=headers)


def updates(app: Application) -> list[ItemUpdate]:
    """The item updates of the log, as another process reads them."""
    state = log_in(app.service.settings.path(app.service.settings.state.folder))
    return [news.row for news in state.news(0).shared if isinstance(news.row, ItemUpdate)]


def test_an_update_is_in_the_log_with_what_changed(app: Application) -> None:
    """What is absent or null stays as it was; the answer has exactly the documented members."""
    answer = patch(
        app,
        {"item_id": "sofa-1", "price": 850, "stock": 0, "available": False},
        {"item_id": "sofa-2", "stock": 3.5, "price": None},
    )
    assert row_results(answer) == {"accepted": 2, "rejected": []}
    msgspec.json.decode(answer.data, type=RowResultsAnswer, strict=True)
    assert updates(app) == [ItemUpdate("sofa-1", False, 0, 850), ItemUpdate("sofa-2", None, 3.5, None)]


def test_the_next_answer_of_every_worker_has_the_new_price(app: Application, artifacts: Path, tmp_path: Path) -> None:
    """Also that of another process which serves the same folder."""
    builder = "/v1/bestsellers?limit=100"
    other = intake(artifacts, tmp_path)
    for service in (app, other):
        service.test_client().get(builder, headers=READ)
    row_results(patch(app, {"item_id": "lamp-1", "price": 71.5}, {"item_id": "lamp-2", "stock": 0}))
    for service in (app, other):
        items = service.test_client().get(builder, headers=READ).get_json()["items"]
        prices = {item["item_id"]: item["price"] for item in items}
        assert prices["lamp-1"] == 71.5
        assert "lamp-2" not in prices


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (5, "row: 5"),
        ({"price": 5}, "item_id: is needed"),
        ({"item_id": "", "price": 5}, "item_id: '' is empty"),
        ({"item_id": "no-such", "price": 5}, "item_id: 'no-such' is not in the catalogue"),
        ({"item_id": "sofa-1"}, "item_id: 'sofa-1' has nothing that changed"),
        ({"item_id": "sofa-1", "price": None}, "item_id: 'sofa-1' has nothing that changed"),
        ({"item_id": "sofa-1", "price": 0}, "price: 0"),
        ({"item_id": "sofa-1", "price": -1}, "price: -1"),
        ({"item_id": "sofa-1", "price": "5"}, "price: '5'"),
        ({"item_id": "sofa-1", "price": 1.1e12}, "price: "),
        ({"item_id": "sofa-1", "stock": -1}, "stock: -1"),
        ({"item_id": "sofa-1", "stock": True}, "stock: True"),
        ({"item_id": "sofa-1", "available": 1}, "available: 1"),
        ({"item_id": "sofa-1", "title": "x"}, "title: 'x'"),
    ],
)
def test_a_bad_row_is_rejected_alone(app: Application, row: Any, said: str) -> None:
    """It is named with its place, its value and what is allowed; the others are taken."""
    found = row_results(patch(app, {"item_id": "sofa-2", "stock": 1}, row, {"item_id": "sofa-3", "stock": 1}))
    ((index, error),) = [(each["index"], each["error"]) for each in found["rejected"]]
    assert (found["accepted"], index) == (2, 1)
    assert error.startswith(said)
    assert "allowed: " in error
    assert [each.item_id for each in updates(app)] == ["sofa-2", "sofa-3"]


def test_only_the_scope_events_may_change_items(app: Application) -> None:
    """Neither a key of another scope nor a browser."""
    for headers in (READ, ADMIN, bearer(token("ada"))):
        assert patch(app, {"item_id": "sofa-1", "stock": 1}, headers=headers).status_code == 403
    assert patch(app, {"item_id": "sofa-1", "stock": 1}, headers={}).status_code == 401
    assert updates(app) == []


def test_without_a_snapshot_it_is_503(tmp_path: Path) -> None:
    """Without a catalogue nothing can be checked: nothing is written, and the sender is told to come again."""
    app = intake(tmp_path / "artifacts", tmp_path)
    answer = patch(app, {"item_id": "sofa-1", "stock": 1})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert updates(app) == []


def test_sizes_are_bounded(app: Application) -> None:
    """A thousand are taken, one more is 400, none at all is nothing; the address takes no other method."""
    rows = [{"item_id": "sofa-1", "stock": number} for number in range(1001)]
    assert row_results(patch(app, *rows[:1000])) == {"accepted": 1000, "rejected": []}
    answer = patch(app, *rows)
    assert (answer.status_code, answer.get_json()["parameter"]) == (400, "items")
    assert row_results(patch(app)) == {"accepted": 0, "rejected": []}
    assert app.test_client().post("/v1/items", json={"items": []}, headers=EVENTS).status_code == 405


@pytest.fixture(scope="module")
def shared(artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Application:
    """The service, its log shared by all examples."""
    return intake(artifacts, tmp_path_factory.mktemp("items"))


values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3)
rows = (
    st.fixed_dictionaries(
        {"item_id": st.sampled_from(["sofa-1", "bag-1", "no-such"]) | values},
        optional={"available": values, "stock": values, "price": values, "x": values},
    )
    | values
)


@given(st.lists(rows, max_size=5))
def test_any_rows_are_judged(shared: Application, many: list[Any]) -> None:
    """The verdicts add up, and what was taken is an item of the catalogue with a possible price and stock."""
    found = row_results(patch(shared, *many))
    assert found["accepted"] + len(found["rejected"]) == len(many)
    taken = updates(shared)[-found["accepted"] :] if found["accepted"] else []
    assert all(each.item_id in ("sofa-1", "bag-1") for each in taken)
    assert all(each.price is None or 0 < each.price <= 1e12 for each in taken)
    assert all(each.stock is None or 0 <= each.stock <= 1e12 for each in taken)


@given(st.dictionaries(st.sampled_from(["items", "other"]), values | st.lists(values) | st.dictionaries(st.text(), values)))
def test_any_object_is_judged_or_refused(shared: Application, body: dict[str, Any]) -> None:
    """No JSON object gets an unexpected error."""
    assert shared.test_client().patch("/v1/items", json=body, headers=EVENTS).status_code in (202, 400)
