"""Rows of a body judged one by one: a bad row is named with its place, the others are taken."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from recsys.web.http.answers import EventsAnswer, Rejection, RowResultsAnswer
from recsys.web.http.problems import Problem
from recsys.web.http.responses import Response, json_response

ACCEPTED = 202

Good = TypeVar("Good")


def judge(rows: Iterable[tuple[int, Any]], read: Callable[[Any], Good]) -> tuple[list[Good], list[Rejection]]:
    """Read each row, given with its place in the list that was sent; a `Problem` rejects that row alone."""
    good: list[Good] = []
    rejected: list[Rejection] = []
    for index, row in rows:
        try:
            good.append(read(row))
        except Problem as problem:
            rejected.append(Rejection(index, str(problem)))
    return good, rejected


def row_results_response(answer: EventsAnswer | RowResultsAnswer) -> Response:
    """Answer what became of the rows."""
    return json_response(msgspec.json.encode(answer), ACCEPTED)
