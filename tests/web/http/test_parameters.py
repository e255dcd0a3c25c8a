"""Parameters of callers: parsed strictly, refused in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.types import Bought
from recsys.web.http.addresses import raw_parameters
from recsys.web.http.parameters import (
    ALLOWED,
    BulkBody,
    ListParameters,
    NoParameters,
    PageBody,
    PageSlate,
    UserParameters,
    parse_bought,
    parse_moment,
    read_body,
    read_query,
)
from recsys.web.http.problems import Problem


def refusal(query_string: str) -> dict[str, Any]:
    """The problem that a query string gets."""
    with pytest.raises(Problem) as error:
        read_query(query_string, UserParameters)
    assert error.value.status == 400
    return error.value.body()


@pytest.mark.parametrize(
    ("query_string", "parameter", "value"),
    [
        ("limit=0", "limit", "0"),
        ("limit=101", "limit", "101"),
        ("limit=-1", "limit", "-1"),
        ("limit=x", "limit", "x"),
        ("limit=1.5", "limit", "1.5"),
        ("limit=1e1", "limit", "1e1"),
        ("limit=", "limit", ""),
        ("limit=null", "limit", "null"),
        ("limit=99999999999999999999999", "limit", "99999999999999999999999"),
        ("limit=5&limit=6", "limit", "6"),
        ("price_min=nan", "price_min", "nan"),
        ("price_max=NaN", "price_max", "NaN"),
        ("price_max=inf", "price_max", "inf"),
        ("price_min=-Infinity", "price_min", "-Infinity"),
        ("price_min=-0.01", "price_min", "-0.01"),
        ("price_min=1e999", "price_min", "1e999"),
        ("price_min=null", "price_min", "null"),
        ("price_min=20&price_max=10", "price_min", 20.0),
        ("category=", "category", ""),
        ("brand=Acme&brand=", "brand", ""),
        ("brand=a%00b", "brand", "a\0b"),
        ("exclude=" + "x" * 257, "exclude", "x" * 100 + "…"),
        ("item_id=%0A", "item_id", "\n"),
        ("bought=never", "bought", "never"),
        ("bought=hide%0A", "bought", "hide\n"),
        ("bought=hide_days", "bought", "hide_days"),
        ("bought=hide_days:-1", "bought", "hide_days:-1"),
        ("bought=hide_days:3651", "bought", "hide_days:3651"),
    ],
)
def test_a_wrong_parameter_is_named_with_its_value_and_what_is_allowed(
    query_string: str, parameter: str, value: Any
) -> None:
    """Malformed and out-of-range parameters are 400 and say which, what and what would do."""
    problem = refusal(query_string)
    assert (problem["parameter"], problem["value"]) == (parameter, value)
    assert ALLOWED[parameter].split(",")[0] in problem["allowed"]
    assert parameter in problem["detail"]


def test_an_unknown_parameter_is_refused_with_the_known_ones() -> None:
    """A misspelt filter must not be ignored: the slate would leave it."""
    problem = refusal("categroy=Vases")
    assert problem["parameter"] == "categroy"
    assert "category" in problem["allowed"].split(", ")
    with pytest.raises(Problem, match="no parameter"):
        read_query("a=1", NoParameters)


def test_a_query_string_that_is_not_utf8_is_refused() -> None:
    """Bytes that are no UTF-8 cannot be an id or a name."""
    with pytest.raises(Problem, match="UTF-8"):
        read_query("brand=%FF", UserParameters)


def test_limits_are_inclusive() -> None:
    """1 and 100 items, price 0 and equal bounds are allowed."""
    assert read_query("limit=1", UserParameters).limit == 1
    assert read_query("limit=100", UserParameters).limit == 100
    both = read_query("price_min=0&price_max=0", ListParameters)
    assert (both.price_min, both.price_max) == (0, 0)
    assert parse_bought("hide_days:0") == Bought("hide_days", 0)
    assert parse_bought("hide_days:3650") == Bought("hide_days", 3650)


def test_repeated_parameters_are_lists() -> None:
    """brand, item_id and exclude may be repeated; commas belong to the id."""
    read = read_query("brand=A%2CB&brand=C&item_id=1&exclude=2&exclude=3", UserParameters)
    assert (read.brand, read.item_id, read.exclude) == (("A,B", "C"), ("1",), ("2", "3"))


@pytest.mark.parametrize(("parameter", "max_n"), [("brand", 100), ("item_id", 50), ("exclude", 500)])
def test_lists_are_bounded(parameter: str, max_n: int) -> None:
    """As many values as allowed are read, one more is refused."""
    fits = "&".join(f"{parameter}=a{number}" for number in range(max_n))
    assert len(getattr(read_query(fits, UserParameters), parameter)) == max_n
    assert refusal(f"{fits}&{parameter}=one-more")["parameter"] == parameter


@pytest.mark.parametrize(
    ("given", "moment"),
    [
        ("0", 0),
        ("1763596800000000", 1_763_596_800_000_000),
        (1_763_596_800_000_000, 1_763_596_800_000_000),
        ("2025-11-20T00:00:00Z", 1_763_596_800_000_000),
        ("2025-11-20T05:30:00.000001+05:30", 1_763_596_800_000_001),
        ("9999-12-31T23:59:59Z", 253_402_300_799_000_000),
    ],
)
def test_now_is_iso_8601_with_a_zone_or_microseconds(given: str | int, moment: int) -> None:
    """Both notations mean the same moment to the microsecond."""
    assert parse_moment(given) == moment


@pytest.mark.parametrize(
    "given", ["", "yesterday", "2025-11-20T00:00:00", "1969-12-31T23:59:59Z", -1, "-1", "٣", 10**18, "1 "]
)
def test_other_moments_are_refused(given: str | int) -> None:
    """A time without a zone would mean another moment on another machine."""
    with pytest.raises(Problem, match="now"):
        parse_moment(given)


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        (b"{}", "placements"),
        (b'{"placements": []}', "placements"),
        (b'{"placements": "home"}', "placements"),
        (b'{"placements": [5]}', "placements[0]"),
        (b'{"placements": ["home", {"limit": 0}]}', "placements[1].limit"),
        (b'{"placements": [{"limit": "5"}]}', "placements[0].limit"),
        (b'{"placements": [{"limit": true}]}', "placements[0].limit"),
        (b'{"placements": [{"limit": null}]}', "placements[0].limit"),
        (b'{"placements": [{"lim": 5}]}', "placements[0].lim"),
        (b'{"placements": [{"exclude": ["a", 5]}]}', "placements[0].exclude[1]"),
        (b'{"placements": [{"price_max": -1}]}', "placements[0].price_max"),
        (b'{"placements": [{"now": 5}]}', "placements[0].now"),
        (b'{"placements": ["home"], "user_id": ""}', "user_id"),
        (b'{"placements": ["home"], "user_id": null}', "user_id"),
        (b'{"placements": ["home"], "colour": 1}', "colour"),
        (b'{"placements": ["home"], "now": 1.5}', "now"),
        (b'{"placements": [{"attributes": {"brand": {"any": 5}}}]}', "placements[0].attributes[...].any"),
        (b'{"placements": [{"attributes": {"brand": {"any": ["a", []]}}}]}', "placements[0].attributes[...].any[1]"),
        (b'{"placements": ["home"], "x - at `$.zzz": 1}', "x - at `$.zzz"),
        (b'{"placements": ["home"], "x - at `$.placements[7]`": 1}', "x - at `$.placements[7]`"),
        (b'{"placements": ["home"], "x - at `$[%b]": 1}' % (b"9" * 5000), f"x - at `$[{'9' * 5000}]"),
        (b'{"placements": ["home"], "x` - at `$.placements[...]": 1}', "x` - at `$.placements[...]"),
        (b'{"placements": ["home"], "x - at `$": 1}', "x - at `$"),
        (b'{"placements": ["home"], " - at `$.q": 1, "q": 1}', " - at `$.q"),
        (b'{"placements": [{"x - at `$.q`": 1}]}', "placements[0].x - at `$.q`"),
    ],
)
def test_a_wrong_member_of_a_body_is_named(body: bytes, parameter: str) -> None:
    """Bodies are parsed as strictly as query strings and errors give the path of the member."""
    with pytest.raises(Problem) as error:
        read_body(body, PageBody)
    assert error.value.body()["parameter"] == parameter


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"home"',
        b"\xff",
        b'{"now": NaN}',
        b'{"now": 1e999}',
        b'{"a": "\\ud800"}',
        b"[" * 100_000,
        b"{} {}",
    ],
)
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    """Broken JSON, other JSON and JSON nested without end are 400."""
    with pytest.raises(Problem) as error:
        read_body(body, PageBody)
    assert error.value.status == 400


def test_a_page_takes_names_and_objects() -> None:
    """A placement of a page is its name, or an object with the filters of the GET call."""
    body = read_body(b'{"placements": ["home", {"placement": "cart", "limit": 4, "item_id": ["a"]}]}', PageBody)
    assert body.placements == ("home", PageSlate(placement="cart", limit=4, item_id=("a",)))


def test_a_bulk_body_takes_up_to_5000_users() -> None:
    """5,000 ids are read, 5,001 are refused, and an id that cannot be one is left to its own line."""
    ids = ["x" * 300, *map(str, range(4999))]
    assert len(read_body(msgspec.json.encode({"user_ids": ids}), BulkBody).user_ids) == 5000
    with pytest.raises(Problem, match="5000"):
        read_body(msgspec.json.encode({"user_ids": [*ids, "5000"]}), BulkBody)
    with pytest.raises(Problem, match="user_ids"):
        read_body(b'{"user_ids": []}', BulkBody)


def status_of(read: Callable[[], object]) -> int:
    """200 if it can be read, else the status of the problem."""
    try:
        read()
    except Problem as problem:
        return problem.status
    return 200


@given(st.text(alphabet=st.sampled_from("limtbrandpce_=&%0123456789.-+eE;[]xFA \u00e9"), max_size=60))
def test_any_query_string_is_read_or_refused(query_string: str) -> None:
    """No query string gets past the parser as another error."""
    assert status_of(lambda: read_query(query_string, UserParameters)) in (200, 400)


@given(st.text(alphabet=st.sampled_from("ab=&;%+ 2\u00e9"), max_size=20))
def test_query_strings_are_read_as_the_standard_library_does(query_string: str) -> None:
    """Also those of which nothing is to be decoded, which are read a shorter way."""
    try:
        pairs = parse_qsl(query_string, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        return
    stated = dict(pairs)
    if len(stated) == len(pairs):
        assert raw_parameters(query_string, {}, has_attributes=False) == stated


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("aé/ ", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(ALLOWED)), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["placements", "user_id", "user_ids", "now", "limit", "other"]), json_values))
def test_any_json_body_is_read_or_refused(body: dict[str, Any]) -> None:
    """No JSON gets past the parser as another error."""
    encoded = msgspec.json.encode(body)
    assert status_of(lambda: read_body(encoded, PageBody)) in (200, 400)
    assert status_of(lambda: read_body(encoded, BulkBody)) in (200, 400)
