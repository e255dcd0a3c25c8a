"""Assignment: the same everywhere, sticky, in the shares that were asked for, and independent between experiments."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from shutil import which
from subprocess import run

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.experiments.assignment import arm_of, bucket, expected_shares, is_held_out
from recsys.settings.experiments import Arm, Experiment, HoldoutSettings

DOCS = Path(__file__).parents[2] / "docs" / "experiments.md"
UNITS = [f"shopper-{number}" for number in range(20_000)]
TOLERANCE = 0.015
"""Four standard deviations of a share of so many units, and a little."""


def experiment(**more: object) -> Experiment:
    """Two arms, an eighth and the rest, with what a test changes."""
    arms = ({"name": "control", "share": 0.5}, {"name": "brands", "share": 0.5})
    return msgspec.convert({"placement": "home", "arms": arms, **more}, Experiment)


def shares(of: Experiment, name: str = "trial") -> dict[str | None, float]:
    """Share of the units by arm."""
    return {arm: count / len(UNITS) for arm, count in Counter(arm_of(name, of, unit) for unit in UNITS).items()}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (("arm", "home_lead", "", "ada"), 0.695774133339907),
        (("traffic", "home_lead", "", "ada"), 0.05078064481626643),
        (("arm", "home_lead", "2026", "ada"), 0.47708021420725366),
        (("holdout", "", "Zoë Ångström"), 0.7836809461425096),
    ],
)
def test_vectors(fields: tuple[str, ...], expected: float) -> None:
    """A bucket is a number that other languages can work out; the manual gives these, digit by digit."""
    assert bucket(*fields) == expected
    assert f"| `{' · '.join(fields)}` | `{expected!r}` |" in DOCS.read_text()


@pytest.mark.skipif(which("node") is None, reason="Node is not installed: make setup-all")
def test_another_language_draws_the_same(tmp_path: Path) -> None:
    """The manual's JavaScript gives the manual's numbers, and those of many other shoppers, to the last bit."""
    (snippet,) = re.findall(r"```js\n(.*?)```", DOCS.read_text(), re.DOTALL)
    stated = [
        line.split("`")[1].split(" · ") for line in DOCS.read_text().splitlines() if re.match(r"\| `.* · .*` \| `0\.", line)
    ]
    fields = [*stated, *(["arm", "trial", "2026", f"{unit} é {number}"] for number, unit in enumerate(UNITS[:500]))]
    code = f"{snippet}\nconsole.log(JSON.stringify({json.dumps(fields)}.map((each) => bucket(...each))));"
    (tmp_path / "buckets.cjs").write_text(code)
    found = run(["node", str(tmp_path / "buckets.cjs")], capture_output=True, check=True, timeout=60, text=True)
    assert len(stated) == 4
    assert json.loads(found.stdout) == [bucket(*each) for each in fields]


def test_units_fall_into_the_shares() -> None:
    """Each arm has its share of those who take part, the holdout its own."""
    found = shares(experiment(traffic=0.5, holdout=0.2))
    assert found == pytest.approx({None: 0.5, "holdout": 0.1, "control": 0.2, "brands": 0.2}, abs=TOLERANCE)
    assert expected_shares(experiment(holdout=0.2)) == pytest.approx({"control": 0.4, "brands": 0.4, "holdout": 0.2})


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_more_traffic_moves_nobody(unit: str, less: float, more: float) -> None:
    """A unit that takes part keeps its arm, however the traffic grows."""
    low, high = sorted((less, more))
    arm = arm_of("trial", experiment(traffic=low), unit)
    assert arm is None or arm == arm_of("trial", experiment(traffic=high), unit)


def test_ramping_from_one_to_fifty_percent() -> None:
    """Those of the first percent are among the half, in their arms."""
    first = {unit: arm for unit in UNITS if (arm := arm_of("trial", experiment(traffic=0.01), unit))}
    assert 0 < len(first) < 0.02 * len(UNITS)
    assert all(arm_of("trial", experiment(traffic=0.5), unit) == arm for unit, arm in first.items())


def test_experiments_of_their_own_are_independent() -> None:
    """Of those in one arm of an experiment, half are in each arm of another one."""
    pairs = Counter((arm_of("one", experiment(), unit), arm_of("other", experiment(), unit)) for unit in UNITS)
    assert {pair: count / len(UNITS) for pair, count in pairs.items()} == pytest.approx(
        {(one, other): 0.25 for one in ("control", "brands") for other in ("control", "brands")}, abs=TOLERANCE
    )


def test_experiments_of_a_layer_share_nobody() -> None:
    """Each takes its part of the layer."""
    first, second = experiment(layer="home", traffic=0.3), experiment(layer="home", layer_start=0.3, traffic=0.7)
    assert all((arm_of("one", first, unit) is None) != (arm_of("other", second, unit) is None) for unit in UNITS)


def test_another_salt_draws_anew() -> None:
    """Of those in an arm, half are in it under another salt."""
    salted = experiment(salt="again")
    same = sum(arm_of("trial", experiment(), unit) == arm_of("trial", salted, unit) for unit in UNITS) / len(UNITS)
    assert same == pytest.approx(0.5, abs=TOLERANCE)


def test_the_global_holdout_is_its_share() -> None:
    """So many shoppers are in no experiment; none where nothing is said."""
    held = sum(is_held_out(HoldoutSettings(share=0.05), unit) for unit in UNITS) / len(UNITS)
    assert held == pytest.approx(0.05, abs=TOLERANCE)
    assert not any(is_held_out(HoldoutSettings(), unit) for unit in UNITS)


def test_an_arm_of_no_share_gets_nobody() -> None:
    """A share of 0 is no unit, wherever it stands."""
    arms = (Arm(name="none", share=0.0), Arm(name="all", share=1.0), Arm(name="nobody", share=0.0))
    assert shares(Experiment(placement="home", arms=arms)) == {"all": 1.0}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"arms": [{"name": "a", "share": 0.5}, {"name": "b", "share": 0.4}]}, "add up to 0.9"),
        ({"arms": [{"name": "a", "share": 0.5}, {"name": "a", "share": 0.5}]}, "names that differ"),
        ({"arms": [{"name": "a", "share": 0.5}, {"name": "holdout", "share": 0.5}]}, "none of them 'holdout'"),
        ({"arms": [{"name": "a", "share": 1.0}]}, "length >= 2"),
        ({"layer_start": 0.6, "traffic": 0.5}, "ends above 1"),
        ({"unit": "session"}, "Invalid enum value 'session'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(more: dict[str, object], says: str) -> None:
    """Shares that do not add up, names twice, one arm, a layer that is left: the error says which."""
    with pytest.raises(msgspec.ValidationError, match=says):
        experiment(**more)
