"""Many slates in one request: all of one page, or one for each of many shoppers."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from recsys.engine.serving_state import ServingState
from recsys.ids.event_ids import id_problem
from recsys.types import StateError
from recsys.web.http.answers import PageAnswer, ProblemAnswer, SentSlateAnswer, SlateAnswer
from recsys.web.http.cursors import MAX_ROWS, items_of
from recsys.web.http.parameters import BulkBody, PageBody, PageSlate, check_ids
from recsys.web.http.problems import Problem, invalid, state_problem
from recsys.web.http.queries import personal_query
from recsys.web.http.responses import NDJSON, Response, json_response, stream_response
from recsys.web.operations import Call, Operation
from recsys.web.resources.messages.sends import send_slates
from recsys.web.serving.continued import slate_page

LINES_AT_ONCE = 50
"""Lines of a bulk answer that are sent together."""

_log = logging.getLogger(__name__)


def page(call: Call[PageBody]) -> Response:
    """Answer one slate a placement; each leaves out what stands on those before it."""
    body = call.parameters
    user_id = None if body.user_id is msgspec.UNSET else body.user_id
    call.caller.check_user(user_id)
    serving = call.service.live.answering()
    now = call.now(serving, body.now)
    asked = [_asked(one, body) for one in body.placements]
    _check_cursors(asked)
    queries = [personal_query(one, serving, now, user_id) for one in asked]
    slates: list[bytes] = []
    shown: tuple[str, ...] = ()
    for query, one in zip(queries, asked, strict=True):
        others = msgspec.structs.replace(query, exclude=(*query.exclude, *shown))
        slate, body_of_slate = slate_page(call.service, serving, others, one.cursor, one.with_attributes)
        shown += tuple(serving.engine.catalog.item_id(row) for row in slate.items)
        slates.append(body_of_slate)
    return json_response(b'{"slates":[%b]}' % b",".join(slates))


def _check_cursors(asked: Sequence[PageSlate]) -> None:
    if sum(items_of(one.cursor) for one in asked if one.cursor is not msgspec.UNSET) > MAX_ROWS:
        raise invalid("cursor", None, f"cursors of up to {MAX_ROWS} items together", "is of too many items on this page")


def _asked(placement: str | PageSlate, body: PageBody) -> PageSlate:
    """One slate of a page, in the page's locale unless it has its own."""
    one = PageSlate(placement=placement) if isinstance(placement, str) else placement
    return one if one.locale is not msgspec.UNSET else msgspec.structs.replace(one, locale=body.locale)


def bulk(call: Call[BulkBody]) -> Response:
    """Answer a line for each shopper, all from the same snapshot and moment."""
    serving = call.service.live.answering()
    now = call.now(serving, call.parameters.now)
    personal_query(call.parameters, serving, now, None)
    return stream_response(_lines(call, serving, now))


def _lines(call: Call[BulkBody], serving: ServingState, now: int) -> Iterator[bytes]:
    user_ids = call.parameters.user_ids
    lanes = call.service.lanes
    end = lanes.stream_end()
    for start in range(0, len(user_ids), LINES_AT_ONCE):
        some = user_ids[start : start + LINES_AT_ONCE]
        if lanes.must_end(end):
            rest = f"the answer ends here, out of time; {len(user_ids) - start:,} shoppers were not answered"
            yield _problem_line(some[0], Problem(503, rest, unanswered=len(user_ids) - start)) + b"\n"
            return
        yield b"".join(line + b"\n" for line in _chunk(call, serving, now, some))


def _chunk(call: Call[BulkBody], serving: ServingState, now: int, user_ids: Sequence[str]) -> list[bytes]:
    """The lines of some shoppers. Where live state cannot be read it is not asked again for each of them: the rest are told so."""
    lines: list[bytes] = []
    try:
        lines += _sent_together(call, serving, now, user_ids)
        for user_id in user_ids[len(lines) :]:
            lines.append(_line(call, serving, now, user_id))
    except StateError as error:
        problem = state_problem(error)
        call.service.metrics.error(BULK.path)
        lines += [_problem_line(user_id, problem) for user_id in user_ids[len(lines) :]]
    return lines


def _sent_together(call: Call[BulkBody], serving: ServingState, now: int, user_ids: Sequence[str]) -> list[bytes]:
    """Slates of a send, pinned in one step; nothing if it is no send's, or any of them cannot be answered."""
    if call.parameters.send_id is msgspec.UNSET or any(map(id_problem, user_ids)):
        return []
    try:
        return send_slates(call, serving, now, call.parameters.send_id, user_ids)
    except StateError:
        raise
    except Exception:
        return []  # one by one it will be told which, and why


def _line(call: Call[BulkBody], serving: ServingState, now: int, user_id: str) -> bytes:
    call.service.lanes.give_way()
    try:
        check_ids("user_id", (user_id,))
        if call.parameters.send_id is not msgspec.UNSET:
            return send_slates(call, serving, now, call.parameters.send_id, (user_id,))[0]
        query = personal_query(call.parameters, serving, now, user_id)
        return slate_page(call.service, serving, query, msgspec.UNSET, call.parameters.with_attributes)[1]
    except Problem as problem:
        return _problem_line(user_id, problem)
    except StateError:
        raise
    except Exception:
        _log.exception("a line of %s failed", BULK.path)
        call.service.metrics.error(BULK.path)
        return _problem_line(user_id, Problem(500, "an unexpected error"))


def _problem_line(user_id: str, problem: Problem) -> bytes:
    return msgspec.json.encode({"user_id": user_id, **problem.body()})


PAGE = Operation(
    method="post",
    path="/v1/slates",
    summary="Answer all slates of one page; no item stands on two of them.",
    scope="read",
    browser=True,
    parameters=PageBody,
    view=page,
    answers=(PageAnswer,),
    problems=(410, 413, 415, 503),
)
BULK = Operation(
    method="post",
    path="/v1/recommendations",
    summary="Answer one slate, or a problem, a line for each of many shoppers.",
    scope="read",
    lane="stream",
    parameters=BulkBody,
    view=bulk,
    answers=(SlateAnswer, SentSlateAnswer, ProblemAnswer),
    media=NDJSON,
    problems=(413, 415, 503),
)
OPERATIONS: tuple[Operation[Any], ...] = (PAGE, BULK)
