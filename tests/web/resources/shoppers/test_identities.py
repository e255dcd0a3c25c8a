"""Identities over HTTP: visitors become known users, and two known users never become one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from recsys.live.databases import log_in
from recsys.types import Link
from recsys.web.app import Application
from recsys.web.http.answers import RowResultsAnswer
from tests.support.servers.intake import EVENTS, intake, row_results, send
from tests.support.servers.serving import ADMIN, READ, bearer, token


@pytest.fixture
def app(artifacts: Path, tmp_path: Path) -> Application:
    """The service with a log of its own."""
    return intake(artifacts, tmp_path)


def link(app: Application, *rows: Any, headers: dict[str, str] = EVENTS) -> TestResponse:
    """Post identities."""
    return app.test_client().post("/v1/identities", json={"identities": list(rows)}, headers=headers)


def pair(anonymous_id: str, user_id: str, **more: Any) -> dict[str, Any]:
    """One identity."""
    return {"anonymous_id": anonymous_id, "user_id": user_id, **more}


def links(app: Application) -> list[Link]:
    """The links of the log, as another process reads them."""
    state = log_in(app.service.settings.path(app.service.settings.state.folder))
    return [news.row for news in state.news(0).shared if isinstance(news.row, Link)]


def test_history_follows_at_once(app: Application) -> None:
    """What was done under the anonymous id belongs to the user in the next answer; the visitor's own answers do not tell."""
    send(app, {"events": [{"user_id": "anon", "event_type": "view", "item_id": "sofa-1"}]})
    answer = link(app, pair("anon", "ada"))
    assert row_results(answer) == {"accepted": 1, "rejected": []}
    msgspec.json.decode(answer.data, type=RowResultsAnswer, strict=True)
    live = app.service.live
    assert len(live.serving().history("ada")) == 1
    send(app, {"events": [{"user_id": "ada", "event_type": "view", "item_id": "sofa-2"}]})
    assert len(live.serving().history("ada")) == 2
    assert len(live.serving().history("anon")) == 1


def test_times_are_those_of_events(app: Application) -> None:
    """Since when: as given, at the latest when it was received, which is also meant where nothing is said."""
    link(app, pair("a1", "ada", timestamp="2026-03-31T12:00:00Z"), pair("a2", "ada", timestamp="2199-01-01T00:00:00Z"))
    link(app, pair("a3", "ada"))
    first, second, third = [each.timestamp for each in links(app)]
    assert first == 1_774_958_400_000_000
    assert first < second <= third


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (5, "row: 5"),
        ({}, "is needed"),
        ({"user_id": "ada"}, "anonymous_id: is needed"),
        (pair("", "ada"), "anonymous_id: '' is empty"),
        (pair("anon", "x" * 257), "user_id: "),
        (pair("anon", 5), "user_id: 5"),  # type: ignore[arg-type]
        (pair("anon", "ada", timestamp="soon"), "timestamp: 'soon'"),
        (pair("anon", "ada", colour=1), "colour: 1"),
        (pair("ada", "ada"), "anonymous_id: 'ada' is the same"),
    ],
)
def test_a_bad_row_is_rejected_alone(app: Application, row: Any, said: str) -> None:
    """It is named with its place and its fault; the others are linked."""
    found = row_results(link(app, pair("a1", "ada"), row, pair("a2", "ada")))
    assert found["accepted"] == 2
    ((index, error),) = [(each["index"], each["error"]) for each in found["rejected"]]
    assert index == 1
    assert error.startswith(said) or said in error
    assert [each.anonymous_id for each in links(app)] == ["a1", "a2"]


def test_a_known_user_is_never_linked_to_another(app: Application) -> None:
    """Not one to whom others are linked, in the log or earlier in the request; what is said names no third id."""
    row_results(link(app, pair("a1", "ada")))
    for found in (row_results(link(app, pair("ada", "bob"))), row_results(link(app, pair("a2", "cy"), pair("cy", "bob")))):
        (rejected,) = found["rejected"]
        assert rejected["error"].startswith(("anonymous_id: 'ada' is not allowed", "anonymous_id: 'cy' is not allowed"))
        assert not any(other in rejected["error"] for other in ("bob", "a1", "a2"))
    assert {(each.anonymous_id, each.user_id) for each in links(app)} == {("a1", "ada"), ("a2", "cy")}


def test_a_linked_visitor_is_nobodys_user(app: Application) -> None:
    """Not one that was linked as anonymous, in the log or earlier in the request; to whom it was linked is not said."""
    row_results(link(app, pair("a1", "ada")))
    for found in (row_results(link(app, pair("a2", "a1"))), row_results(link(app, pair("a3", "bob"), pair("a4", "a3")))):
        (rejected,) = found["rejected"]
        assert rejected["error"].startswith(("user_id: 'a1' is not allowed", "user_id: 'a3' is not allowed"))
        assert not any(other in rejected["error"] for other in ("ada", "bob"))


def test_a_shared_device_changes_hands(app: Application) -> None:
    """An anonymous id may be linked to another user later; the latest link counts for what comes after it."""
    row_results(link(app, pair("tablet", "ada", timestamp=1_700_000_000)))
    assert row_results(link(app, pair("tablet", "bob", timestamp=1_700_000_100)))["accepted"] == 1
    rows = [
        {"user_id": "tablet", "event_type": "view", "item_id": "sofa-1", "timestamp": 1_700_000_000 + second}
        for second in (0, 50, 100)
    ]
    send(app, {"events": rows})
    live = app.service.live
    assert [len(live.serving().history(user)) for user in ("ada", "bob")] == [2, 1]


def test_only_the_scope_events_may_link(app: Application) -> None:
    """Neither a key of another scope nor a browser, not even for its own shopper."""
    for headers in (READ, ADMIN, bearer(token("ada"))):
        assert link(app, pair("anon", "ada"), headers=headers).status_code == 403
    assert link(app, pair("anon", "ada"), headers={}).status_code == 401
    assert links(app) == []


def test_without_a_snapshot_it_is_503(tmp_path: Path) -> None:
    """Who is known is not known yet: nothing is written, and the sender is told to come again."""
    app = intake(tmp_path / "artifacts", tmp_path)
    answer = link(app, pair("anon", "ada"))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert links(app) == []


def test_sizes_are_bounded(app: Application) -> None:
    """A thousand are linked, one more is 400, none at all is nothing."""
    rows = [pair(f"a{number}", f"u{number}") for number in range(1001)]
    assert row_results(link(app, *rows[:1000])) == {"accepted": 1000, "rejected": []}
    answer = link(app, *rows)
    assert (answer.status_code, answer.get_json()["parameter"]) == (400, "identities")
    assert row_results(link(app)) == {"accepted": 0, "rejected": []}


@pytest.fixture(scope="module")
def shared(artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Application:
    """The service, its log shared by all examples."""
    return intake(artifacts, tmp_path_factory.mktemp("identities"))


ids = st.sampled_from(["a", "b", "c", "d"])
rows = st.builds(pair, ids, ids) | st.dictionaries(st.text(max_size=3), st.none() | st.integers()) | st.text(max_size=3)


@given(st.lists(rows, max_size=6))
def test_no_order_of_links_joins_two_known_users(shared: Application, many: list[Any]) -> None:
    """Whatever is sent, no id is both an anonymous one and a user, and the verdicts add up."""
    found = row_results(link(shared, *many))
    assert found["accepted"] + len(found["rejected"]) == len(many)
    linked = links(shared)
    assert not {each.anonymous_id for each in linked} & {each.user_id for each in linked}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["identities", "user_id"]), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["identities", "other"]), json_values, max_size=2))
def test_any_object_is_judged_or_refused(shared: Application, body: dict[str, Any]) -> None:
    """No JSON object gets an unexpected error."""
    assert shared.test_client().post("/v1/identities", json=body, headers=EVENTS).status_code in (202, 400)


def test_nobody_is_linked_to_nobody(app: Application) -> None:
    """A link from or to a word for "nobody" is refused, or all guests would be one customer."""
    found = row_results(link(app, pair("guest", "ada"), pair("anon", " Undefined"), pair("anon", "ada")))
    assert (found["accepted"], [each["index"] for each in found["rejected"]]) == (1, [0, 1])
    assert "names nobody (`data.null_users`)" in found["rejected"][0]["error"]
    assert [each.anonymous_id for each in links(app)] == ["anon"]
