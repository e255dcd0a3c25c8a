"""The table of declared calls finds what Flask's router finds."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

from recsys.web.app import RESOURCES
from recsys.web.operations import IdConverter
from recsys.web.route_table import RouteTable

CALLS = [call for resource in RESOURCES.values() for call in resource.OPERATIONS]
TABLE = RouteTable(CALLS)
ROUTER = Map(
    [Rule(call.rule, endpoint=str(place), methods=[call.method]) for place, call in enumerate(CALLS)],
    converters={"id": IdConverter},
    merge_slashes=False,
).bind("localhost")
WORDS = sorted({part for call in CALLS for part in call.path.split("/")})
PARTS = st.sampled_from(WORDS) | st.text(max_size=5)


def by_router(method: str, path: str) -> tuple[Any, dict[str, str]] | None:
    """Find a call as Flask does."""
    try:
        found: tuple[Any, Any] = ROUTER.match(path, method)
    except HTTPException:
        return None
    return CALLS[int(found[0])], dict(found[1])


def as_wsgi(path: str) -> str:
    """A path as WSGI has it."""
    return path.encode("utf-8", "replace").decode("latin-1")


def test_every_call_is_in_the_table() -> None:
    """Each declared call is found by its address, with the ids that stand there."""
    for call in CALLS:
        path = call.path.replace("{", "").replace("}", "ä")
        assert TABLE.find(call.method.upper(), as_wsgi(path)) == by_router(call.method.upper(), path)
        assert by_router(call.method.upper(), path) is not None


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]), st.lists(PARTS, max_size=6))
def test_it_finds_what_flask_finds(method: str, parts: list[str]) -> None:
    """Of any address the table says what the router says, or leaves it to the router."""
    path = "/" + "/".join(part.encode("utf-8", "replace").decode() for part in parts)
    found = TABLE.find(method, as_wsgi(path))
    assert found is None or found == by_router(method, path)
