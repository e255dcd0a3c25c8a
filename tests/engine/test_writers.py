"""The ids that wrote since the snapshot: anybody who may be among them is looked up."""

from __future__ import annotations

import pytest

from recsys.engine.shoppers import writers
from recsys.engine.shoppers.writers import Writers


def test_nobody_who_wrote_is_passed_over() -> None:
    """Those of all looks are known, and nobody else is taken for one."""
    known = Writers()
    assert "ann" not in known
    known.take(["ann", "ann"], 2)
    known.take(["bob"], 2)
    assert [each in known for each in ("ann", "bob", "cleo")] == [True, True, False]


def test_where_more_wrote_than_a_look_names_anybody_may_have() -> None:
    """What one look did not name is not made up for by the next."""
    known = Writers()
    known.take(["ann", "bob", "ann"], 2)
    known.take([], 2)
    assert "cleo" in known


def test_the_ids_take_no_more_than_so_much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more, anybody may be one."""
    monkeypatch.setattr(writers, "MAX_WRITERS", 2)
    known = Writers()
    known.take(["ann", "bob"], 9)
    assert "cleo" not in known
    known.take(["dan"], 9)
    assert "cleo" in known
