"""The gate's rule between new settings and live ones."""

from __future__ import annotations

import pytest

from benchmarks.job.gate_errors import SHOPS, rates
from training.evaluation.metrics import Interval
from training.gate.decision import Change, Outcome, goes_live, in_the_window, on_average


def change(low: float, high: float, live: float = 1.0) -> Change:
    """A difference with this interval."""
    return Change("blend on `new`", Interval((low + high) / 2, low, high), live)


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (-0.02, 0.1, "no worse"),
        (-0.02, -0.01, "no worse"),
        (0.0, 0.0, "no worse"),
        (-0.021, 0.0, "undecided"),
        (-0.5, 0.5, "undecided"),
        (-0.021, -0.001, "worse"),
    ],
)
def test_an_interval_decides_where_it_can(low: float, high: float, outcome: Outcome) -> None:
    """Above minus the margin nothing that matters is lost; wholly below 0 and beyond the margin it is a loss."""
    assert change(low, high).outcome(0.02) == outcome
    assert change(low * 10, high * 10, live=10.0).outcome(0.02) == outcome


def test_one_sure_loss_is_a_loss() -> None:
    """Whatever was gained elsewhere; one open question leaves all open."""
    gain, loss, open_question = change(0.1, 0.2), change(-0.2, -0.1), change(-0.1, 0.1)
    assert in_the_window([gain, loss, open_question], 0.02) == "worse"
    assert in_the_window([gain, open_question], 0.02) == "undecided"
    assert in_the_window([gain], 0.02) == "no worse"


def test_the_windows_before_decide_open_questions_only() -> None:
    """A loss of no more than the margin there lets it through; what the last window decided stays."""
    assert goes_live("undecided", -0.02, 0.02)
    assert not goes_live("undecided", -0.021, 0.02)
    assert not goes_live("worse", 1.0, 0.02)
    assert goes_live("no worse", -1.0, 0.02)


def test_a_tenth_counts_the_same_on_every_task() -> None:
    """Differences are averaged as shares of the live mean; what was 0 says nothing."""
    assert on_average([change(0.1, 0.1, 1.0), change(-0.01, -0.01, 0.1)]) == pytest.approx(0.0)
    assert on_average([change(0.1, 0.1, 0.0)]) == 0.0
    assert on_average([]) == 0.0


@pytest.mark.parametrize("shop", SHOPS)
def test_its_errors_are_as_documented(shop: str) -> None:
    """With 500 buyers a recipe that is a tenth worse hardly ever goes live, an equal one that was tuned mostly does, and one that is a
    tenth better nearly always; a rule that wants proof refuses the equal one."""
    worse, tuned, better = (
        rates(SHOPS[shop], effect, 500, trials, 60, 20) for effect, trials in ((-0.1, 1), (0.0, 25), (0.1, 1))
    )
    assert worse.by_rule <= 0.1
    assert tuned.by_rule >= 0.75 > 0.25 >= tuned.by_proof
    assert better.by_rule >= 0.95
