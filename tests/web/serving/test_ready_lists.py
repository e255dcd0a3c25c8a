"""Lists that are made ready for an event loop, which nothing may end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from recsys.engine.serving_state import ServingState
from recsys.web.serving.ready_lists import ReadyLists


def test_whatever_fails_is_left_to_a_thread() -> None:
    """An error that nobody expects makes no list ready, and ends no event loop."""
    ready = ReadyLists()
    assert not ready.make(cast(ServingState, SimpleNamespace()), "ann")
    assert ready.take() is None


def test_without_a_snapshot_nothing_is_ready() -> None:
    """A worker that just began asks."""
    assert not ReadyLists().make(None, None)
