"""Compiled loops: the same text with and without the compiler, and where nothing can be kept on disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
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
OUTER = """
import numpy as np
from parts.inner import BEGIN, grown
from parts import numbers
from recsys.jit import INT, compiled

@compiled(INT)
def answer(number):
    return grown(number) + BEGIN + numbers.END
"""
INNER = """
from recsys.jit import compiled
from parts.deep import deep
BEGIN = {begin}

@compiled()
def grown(number):
    return later(number)

@compiled()
def later(number):
    return deep(number)
"""
DEEP = """
from recsys.jit import INT, compiled

@compiled(INT)
def deep(number):
    return number * {times}
"""


def test_what_is_kept_is_compiled_anew_after_an_upgrade(tmp_path: Path) -> None:
    """Whatever changed of what a loop is made from: something it calls in another module, or a constant; else it is kept."""
    folder = tmp_path / "parts"
    folder.mkdir()

    def answered(begin: int, times: int, end: int) -> str:
        texts = {
            "__init__": "",
            "outer": OUTER,
            "inner": INNER.format(begin=begin),
            "deep": DEEP.format(times=times),
            "numbers": f"END = {end}",
        }
        for name, text in texts.items():
            (folder / f"{name}.py").write_text(text)
        asked = "from parts.outer import answer; print(answer(1), sum(answer.stats.cache_hits.values()))"
        done = subprocess.run(
            [sys.executable, "-B", "-c", asked],
            env={"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[1]}"},
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE_SECONDS,
        )
        return done.stdout.strip()

    assert answered(10, 2, 100) == "112 0"
    assert answered(10, 2, 100) == "112 1"
    assert answered(10, 3, 100) == "113 0"
    assert answered(20, 3, 100) == "123 0"
    assert answered(20, 3, 200) == "223 0"
    assert answered(20, 3, 200) == "223 1"


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
