"""Promises of every store about experiments and exposures, asked of each driver through its public methods only."""

from __future__ import annotations

from recsys.live.erasure import Erased
from recsys.live.experiments import Declared, Exposure
from recsys.live.log import EventLog
from recsys.settings.experiments import Arm, Experiment

RECEIVED = 1_000_000
TRIAL = Experiment(placement="home", arms=(Arm(name="a", share=0.5), Arm(name="b", share=0.5)))


def exposure(unit: str, arm: str = "a", at: int = 100, experiment: str = "trial") -> Exposure:
    """An exposure."""
    return Exposure(experiment, unit, arm, at)


def all_of(state: EventLog, experiment: str = "trial") -> list[Exposure]:
    """Every exposure, in order."""
    return [each for batch in state.experiments.exposures(experiment) for each in batch]


def test_an_empty_log_knows_none(state: EventLog) -> None:
    """Without a file every question has an empty answer, and nothing to write makes none."""
    assert (state.experiments.declared(), state.experiments.first("trial", ["ann"]), all_of(state)) == ({}, None, [])
    assert state.experiments.expose([], RECEIVED) == []
    assert state.last() == 0


def test_what_was_declared_last_counts(state: EventLog, other: EventLog) -> None:
    """Everybody reads the last declaration of each name, and when the first was."""
    state.experiments.declare("trial", TRIAL, RECEIVED)
    ended = Experiment(placement="home", arms=TRIAL.arms, stopped=True)
    other.experiments.declare("trial", ended, RECEIVED + 5)
    state.experiments.declare("second", TRIAL, RECEIVED + 6)
    assert other.experiments.declared() == {"second": Declared(TRIAL, RECEIVED + 6), "trial": Declared(ended, RECEIVED)}


def test_the_first_exposure_stands(state: EventLog, other: EventLog) -> None:
    """A unit is exposed once in an experiment, whoever writes it; in another experiment it is exposed again."""
    assert state.experiments.expose([exposure("ann"), exposure("bob", "b")], RECEIVED) == [True, True]
    assert other.experiments.expose([exposure("ann", "b", 50), exposure("ann", experiment="second")], RECEIVED) == [
        False,
        True,
    ]
    assert all_of(other) == [exposure("ann"), exposure("bob", "b")]


def test_the_earliest_of_several_ids_is_found(state: EventLog) -> None:
    """Of a person's ids the one that was exposed first tells the arm; others do not matter."""
    state.experiments.expose([exposure("ann", "b", 200), exposure("phone", "a", 150), exposure("other", "b", 1)], RECEIVED)
    assert state.experiments.first("trial", ["ann", "phone", "tablet"]) == exposure("phone", "a", 150)
    assert state.experiments.first("trial", ["tablet"]) is None
    assert state.experiments.first("second", ["ann"]) is None


def test_exposures_of_the_erased_go(state: EventLog) -> None:
    """Those in the period that is erased are deleted and counted."""
    state.experiments.expose(
        [exposure("ann", at=100), exposure("bob"), exposure("ann", at=300, experiment="second")], RECEIVED
    )
    assert state.forget([Erased("1:2", "ann", 0, 200)], RECEIVED)["exposures"] == 1
    assert (all_of(state), len(all_of(state, "second"))) == ([exposure("bob")], 1)
