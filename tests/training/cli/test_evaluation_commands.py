"""Output of `make evaluate` and `make tune`: tables that a terminal of 80 columns shows whole."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO

import msgspec
import pytest
from rich.console import Console

from recsys.recommenders import RECOMMENDERS
from recsys.settings import Settings
from recsys.settings.placements import Placement
from recsys.types import Segment
from training import console
from training.cli.evaluation_commands import show_evaluation, show_tuned
from training.evaluation.blend_weights import Contribution, Learned
from training.evaluation.evaluate import TASKS, Evaluation, ScoreRow, subjects
from training.evaluation.metrics import METRICS, Interval
from training.evaluation.rules import Change, Changed, RuleRow
from training.evaluation.tune import Study, Tuned
from training.job.blend_pools import SEGMENTS

NDCG = Interval(0.3612, 0.3450, 0.3770)
Printed = Callable[[], list[str]]


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> Printed:
    """What was printed on a terminal of 80 columns."""
    file = StringIO()
    monkeypatch.setattr(console, "results", Console(file=file, width=80))
    return lambda: [line.rstrip() for line in file.getvalue().splitlines()]


def evaluation(settings: Settings) -> Evaluation:
    """Every subject of a large shop with the same figures."""
    rows = [
        ScoreRow(
            subject=subject,
            task=task,
            users=20_000,
            metrics=dict.fromkeys(METRICS, NDCG),
            coverage=0.5,
            long_tail=0.0004,
            personalized=1.0,
        )
        for task in TASKS
        for subject in subjects(settings)
    ]
    return Evaluation(at="2026-02-15T00:00:00+00:00", days=28, users=20_000, items=1_000_000, rows=tuple(rows))


def test_an_evaluation_has_one_line_a_subject(printed: Printed) -> None:
    """A title, the names of the columns and a rule, then a line for each subject of each task, all within 80 columns."""
    show_evaluation(evaluation(Settings()))
    lines = printed()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "repeat: 2026-02-15 + 28 days, 1,000,000 items, 20,000 users"
    assert lines[1].split() == ["subject", "ndcg10", "low", "high", *METRICS[1:], "coverage", "tail", "personal"]
    figures = [".361", ".345", ".377", ".361", ".361", ".361", ".500", ".000", "1.000"]
    names = [each.name if each.kind != "placement" else f"on {each.name}" for each in subjects(Settings())]
    rows = [line for line in lines if line.endswith("1.000")]
    assert sorted(rows) == sorted(line for line in rows if line.split()[-9:] == figures)
    assert sorted(line[:18].strip() for line in rows) == sorted(names * len(TASKS))
    assert {line.index(".361") for line in rows} == {lines[1].index("ndcg10") + 2}


def test_a_long_name_leaves_the_figures_whole(printed: Printed) -> None:
    """The longest name that a placement may have goes on in the next lines; its figures stay in one."""
    show_evaluation(evaluation(Settings(placements={"p" * 64: Placement()})))
    lines = printed()
    assert max(map(len, lines)) <= 80
    rows = [line for line in lines if ".361" in line]
    assert len(rows) == len(TASKS) * (len(subjects(Settings())) + 1)
    assert all(line.split()[-9:-6] == [".361", ".345", ".377"] and line.endswith("1.000") for line in rows)


def test_what_was_tuned_fits_the_terminal(printed: Printed) -> None:
    """Studies, contributions and blends each have a line within 80 columns, their figures in the same style."""
    studies = tuple(Study(name, tuple(TASKS), 40, 0.1234, 0.1256) for name in RECOMMENDERS)
    adds = Interval(0.0034, -0.0012, 0.0081)
    contributions = tuple(
        Contribution(segment=segment, recommender=name, weight=0.25, alone=0.12, adds=adds)
        for segment in SEGMENTS
        for name in RECOMMENDERS
    )
    same, users = dict.fromkeys(SEGMENTS, 0.3612), dict.fromkeys(SEGMENTS, 20_000)
    learned = Learned(blend=Settings().blend, ndcg10=same, before=same, users=users, contributions=contributions)
    show_tuned(Tuned(Settings(), studies, learned, ("2026-01-01 + 28 days",)))
    lines = printed()
    assert max(map(len, lines)) <= 80
    assert "recently_viewed repeat and new     40   .123  .126" in lines
    assert "customer recently_viewed   .250  .120 .003 -.001 .008 not certain" in lines
    assert lines[-1] == "blend of repeat: NDCG@10 .361 before, .361 now, 20,000 users"
    assert sum("not certain" in line for line in lines) == len(contributions)


def test_weights_that_stay_are_told_with_what_new_ones_came_to(printed: Printed) -> None:
    """New weights that are not surely better for others than those they were learned on are not taken."""
    blend = Settings().blend
    users: dict[Segment, int] = {"repeat": 60}
    learned = Learned(
        blend=blend, ndcg10={}, before={"repeat": 0.3612}, users=users, contributions=(), kept={"repeat": 0.3498}
    )
    show_tuned(Tuned(Settings(), (), learned, ("2026-01-01 + 28 days",)))
    said = ["blend of repeat: NDCG@10 .361, and .350 with new weights, 60 users: the old ones stay"]
    assert " ".join(printed()).split() == " ".join(said).split()


@pytest.mark.parametrize(("trials", "named"), [(9, True), (10, False)])
def test_a_study_of_few_trials_is_named(printed: Printed, trials: int, named: bool) -> None:
    """Where the search has only drawn at random so far, its name stands there with what to do; a study without a task has no need."""
    studies = (
        Study("als", tuple(TASKS), trials, wanted=25),
        Study("ease", tuple(TASKS), 40, wanted=40),
        Study("brands", ()),
    )
    learned = Learned(blend=Settings().blend, ndcg10={}, before={}, users={}, contributions=())
    show_tuned(Tuned(Settings(), studies, learned, ()))
    said = " ".join(printed())
    assert ("Too few trials to rely on, of als (9):" in said) is named
    assert ("--minutes" in said) is named


def test_lead_rules_fit_the_terminal(printed: Printed) -> None:
    """Each rule has a line as it is and one for each change, with the gain, its interval and what that proves."""
    gains: dict[Change, Interval] = {
        "own": Interval(-0.1, -0.15, -0.05),
        "blend": Interval(0, 0, 0),
        "without": Interval(0.004, -0.001, 0.009),
    }
    row = RuleRow(
        placements=("home", "cart", "category", "pdp"),
        rule="category_buyer",
        task="new",
        order="blend",
        users=12_345,
        share=0.0841,
        ndcg10=NDCG,
        changed={change: Changed(NDCG, gain) for change, gain in gains.items()},
    )
    show_evaluation(msgspec.structs.replace(evaluation(Settings()), rules=(row,)))
    lines = printed()
    title = lines.index("new: lead rules on home, cart, category, pdp, for those whom they lead")
    stated = [line.split() for line in lines[title + 3 : title + 6]]
    assert max(map(len, lines)) <= 80
    assert stated[0] == ["category_buyer", "12,345", "8.4%", "as", "it", "is", ".361"]
    assert stated[1] == ["own", "order", ".361", "-.100", "-.150", "-.050", "worse"]
    assert stated[2] == ["without", "it", ".361", ".004", "-.001", ".009", "not", "proven"]
