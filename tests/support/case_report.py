"""Report of the open cases, one line each: a plugin for pytest, `-p tests.support.case_report` (`make cases`).

A case holds if all tests that read it pass. One that no test reads is waiting.
"""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

import pytest
from _pytest.terminal import TerminalReporter

from tests.support.cases import READ

_OUTCOMES: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note how a test of cases went: those that it read, and those that its name holds."""
    if report.when != "call":
        return
    names = {each for each in _all() if each in READ or each in report.nodeid}
    READ.clear()
    for name in names:
        _OUTCOMES[name].append((report.outcome, report.nodeid))


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Print each case with ok, waiting or failed, and how many there are of each."""
    terminalreporter.section("open cases")
    words = [_in_a_word(name) for name in _all()]
    for name, word in zip(_all(), words, strict=True):
        failed = [test for outcome, test in _OUTCOMES[name] if outcome == "failed"]
        terminalreporter.write_line("  ".join([f"{word:8}{name}", *failed]))
    terminalreporter.write_line(", ".join(f"{words.count(word)} {word}" for word in ("ok", "waiting", "failed")))


def _all() -> list[str]:
    folder = os.environ.get("RECSYS_CASES", "")
    return sorted(each.name for each in Path(folder).iterdir() if (each / "expected.md").exists()) if folder else []


def _in_a_word(name: str) -> str:
    outcomes = {outcome for outcome, _ in _OUTCOMES[name]}
    return "failed" if "failed" in outcomes else "ok" if "passed" in outcomes else "waiting"
