"""Compiled loops: the same text with and without the compiler, and where nothing can be kept on disk."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np

from recsys.ranking import top_n
from tests.support.servers.patience import PATIENCE_SECONDS

TEXT = """
@compiled(ROWS, INT)
def count_above(rows, least):
    counted = 0
    for row in rows:
        counted += row > least
    return counted
"""
RANK = """
import numpy as np
from recsys.ranking import top_n
print(top_n(np.arange(4, dtype=np.int32), np.array([1, 3, np.nan, 3], np.float32), np.array([3, 2, 1, 0], np.int32), 2).items.tolist())
"""


def test_without_a_place_for_the_cache() -> None:
    """A function that no file holds, as on a read-only disk, is compiled all the same."""
    import recsys.jit

    names: dict[str, Any] = dict(vars(recsys.jit))
    exec(TEXT, names)
    assert names["count_above"](np.array([1, 5, 7], np.int32), 4) == 2


def test_the_same_text_runs_as_python() -> None:
    """NUMBA_DISABLE_JIT=1 leaves plain functions, for a debugger, with the same answers."""
    done = subprocess.run(
        [sys.executable, "-c", RANK],
        env={"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_SECONDS,
    )
    ranked = top_n(
        np.arange(4, dtype=np.int32), np.array([1, 3, np.nan, 3], np.float32), np.array([3, 2, 1, 0], np.int32), 2
    )
    assert done.stdout.strip() == str(ranked.items.tolist()) == "[3, 1]"
