"""The read-out of an experiment, from answers of the service to the files: each person once, and only what came after."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

from recsys.clock import DAY, to_datetime
from recsys.live.databases import open_log
from recsys.live.experiments import Exposure
from recsys.settings.experiments import Experiment
from recsys.tables.schema import TIME
from recsys.types import DataError, Link
from tests.conftest import NOW, SETTINGS, Shop, ago, busy_events, event, micros
from training.experiments.ledger import Ledger, owners_of
from training.experiments.measures import BEFORE, COUNTS, MEASURES
from training.experiments.plan import plan_of, plan_words
from training.experiments.readout import experiment, read_out
from training.experiments.segments import segments_of
from training.experiments.units import exposed, unit_table

TRIAL = """
[experiments.trial]
placement = "home"
arms = [{ name = "control", share = 0.5 }, { name = "changed", share = 0.5, change = { bought = "allow" } }]
"""
AT = micros(ago(days=10))
TWO_ARMS = [{"name": "control", "share": 0.5}, {"name": "changed", "share": 0.5}]
LINES = pl.DataFrame(
    schema={
        "unit": pl.String,
        "time": pl.Int64,
        "item_id": pl.String,
        "order": pl.Int64,
        **dict.fromkeys(("amount", "units", "returned"), pl.Float64),
    }
)
NOTHING = pl.DataFrame(schema={"unit": pl.String, "time": pl.Int64})
FOR_EVER = {"since": pl.lit(None, pl.Int64), "until": pl.lit(None, pl.Int64)}
NO_OWNERS = pl.DataFrame(schema={"id": pl.String, "unit": pl.String, "since": pl.Int64, "until": pl.Int64})


@pytest.fixture
def trial(tmp_path: Path) -> Shop:
    """The busy shop with an experiment."""
    shop = Shop(tmp_path, busy_events(), toml=SETTINGS + TRIAL)
    shop.write()
    return shop


def expose(shop: Shop, *exposures: tuple[str, str, int]) -> None:
    """Write exposures down."""
    open_log(shop.settings).experiments.expose([Exposure("trial", *each) for each in exposures], AT)


def test_persons_count_once_in_the_arm_of_the_first_exposure() -> None:
    """A visitor who became a user is that user; two arms before that are told."""
    owners = pl.DataFrame({"id": ["phone", "tablet"], "unit": ["ann", "bob"]}).with_columns(**FOR_EVER)
    given = [("ann", "b", 30), ("phone", "a", 20), ("bob", "a", 10), ("tablet", "a", 40), ("cleo", "b", 50)]
    found, crossed, ids = exposed([[Exposure("trial", *each)] for each in given], owners)
    assert sorted(found.iter_rows()) == [("ann", "a", 20), ("bob", "a", 10), ("cleo", "b", 50)]
    assert (crossed, ids) == (1, {"a": 3, "b": 2})


def test_an_exposure_on_a_shared_device_is_whose_it_was_then() -> None:
    """Not that of the user who signed in last, who is in the arm from then on only; of an id that nobody shares, from the first on."""
    moments = [to_datetime(each) for each in (10, 50, 40)]
    links = {"anonymous_id": ["d", "d", "phone"], "user_id": ["ann", "bob", "cleo"], "timestamp": moments}
    owners = owners_of(pl.DataFrame(links, schema_overrides={"timestamp": TIME}))
    given = [Exposure("trial", "d", "a", 5), Exposure("trial", "phone", "b", 5), Exposure("trial", "d", "b", 60)]
    found = exposed([given[:2]], owners).frame
    assert sorted(found.iter_rows()) == [("ann", "a", 5), ("bob", "a", 50), ("cleo", "b", 5)]
    assert exposed([given[2:]], owners).frame.rows() == [("bob", "b", 60)]


def test_many_exposures_are_joined_as_a_few_are() -> None:
    """In parts, batch by batch, as if each were looked at by itself: the earliest of a person, of two at once the first id."""
    rng = np.random.default_rng(4)
    ids = [f"id-{number}" for number in rng.permutation(5_000)]
    owners = pl.DataFrame({"id": ids[:2_000], "unit": [f"user-{number}" for number in rng.integers(0, 900, 2_000)]})
    owners = owners.with_columns(**FOR_EVER)
    given = [Exposure("trial", each, "ab"[rng.integers(2)], int(rng.integers(200))) for each in ids[500:]]
    whose, first, arms = dict(owners.select("id", "unit").iter_rows()), dict[str, Exposure](), dict[str, set[str]]()
    for each in sorted(given, key=lambda each: (each.at, each.unit)):
        person = whose.get(each.unit, each.unit)
        first.setdefault(person, each)
        arms.setdefault(person, set()).add(each.arm)
    found, crossed, stated = exposed([given[at : at + 700] for at in range(0, len(given), 700)], owners)
    assert sorted(found.iter_rows()) == sorted((person, each.arm, each.at) for person, each in first.items())
    assert crossed == sum(len(each) > 1 for each in arms.values()) > 200
    assert stated == {arm: sum(each.arm == arm for each in given) for arm in "ab"}


def test_what_was_done_before_is_told_apart() -> None:
    """Orders of four weeks before an exposure are the covariate, those after it count, older ones neither."""
    at = 100 * DAY
    rows = [
        (at - 30 * DAY, 0, 5.0),
        (at - 2 * DAY, 1, 7.0),
        (at + DAY, 2, 11.0),
        (at + DAY, 2, 1.0),
        (at + 9 * DAY, 3, 100.0),
    ]
    lines = pl.DataFrame(
        [("ann", time, "sofa", order, amount, 1.0, 0.0) for time, order, amount in rows],
        schema=["unit", "time", "item_id", "order", "amount", "units", "returned"],
        orient="row",
    )
    nothing = pl.DataFrame(schema={"unit": pl.String, "time": pl.Int64})
    ledger = Ledger(lines, nothing, nothing, pl.DataFrame(schema={"id": pl.String, "unit": pl.String}), "EUR")
    persons = pl.DataFrame({"unit": ["ann", "bob", "late"], "arm": ["a", "b", "a"], "at": [at, at, at + 8 * DAY]})
    table = unit_table(ledger, persons, at + 5 * DAY, 0.0)
    assert table.columns == ["unit", "arm", "at", *COUNTS, *BEFORE]
    ann, bob = table.sort("unit").iter_rows(named=True)
    assert (ann["orders"], ann["revenue"], ann["units"], ann["converted"]) == (1, 12.0, 2.0, 1)
    assert (ann["orders_before"], ann["revenue_before"], ann["converted_before"]) == (1, 7.0, 1)
    assert (bob["orders"], bob["converted"], bob["seen"]) == (0, 0, 0)


def test_another_order_soon_after_the_first_is_a_repeat() -> None:
    """Two orders within 28 days; not two lines of one, nor one before the exposure, nor one much later."""
    at = 100 * DAY
    rows = [
        ("ann", 1, 0),
        ("ann", 29, 1),
        ("bob", 1, 2),
        ("bob", 30, 3),
        ("cleo", 1, 4),
        ("cleo", 1, 4),
        ("dan", -1, 5),
        ("dan", 1, 6),
    ]
    rows += [("eve", 1, 7), ("eve", 40, 8), ("eve", 41, 9)]
    lines = pl.DataFrame(
        [(unit, at + day * DAY, "sofa", order, 1.0, 1.0, 0.0) for unit, day, order in rows],
        schema=["unit", "time", "item_id", "order", "amount", "units", "returned"],
        orient="row",
    )
    nothing = pl.DataFrame(schema={"unit": pl.String, "time": pl.Int64})
    ledger = Ledger(lines, nothing, nothing, pl.DataFrame(schema={"id": pl.String, "unit": pl.String}), None)
    names = ["ann", "bob", "cleo", "dan", "eve", "fay"]
    persons = pl.DataFrame({"unit": names, "arm": ["a"] * 6, "at": [at] * 6})
    table = unit_table(ledger, persons, at + 60 * DAY, 0.0)
    assert dict(table.select("unit", "repeated").iter_rows()) == {name: int(name == "ann") for name in names}
    assert dict(table.select("unit", "followed").iter_rows()) == {name: int(name != "fay") for name in names}
    early = unit_table(ledger, persons, at + 28 * DAY, 0.0)
    assert early["converted"].sum() == 5
    assert early["followed"].sum() == 0, "nobody's 28 days are over"


def test_the_few_who_spend_most_are_cut_down() -> None:
    """The revenue of the largest buyers is that of the largest below them, in whichever arm."""
    lines = pl.DataFrame(
        {
            "unit": [f"u{n}" for n in range(100)],
            "time": [1] * 100,
            "item_id": ["sofa"] * 100,
            "order": [0] * 100,
            "amount": [10.0] * 99 + [1e6],
            "units": [1.0] * 100,
            "returned": [0.0] * 100,
        }
    )
    nothing = pl.DataFrame(schema={"unit": pl.String, "time": pl.Int64})
    ledger = Ledger(lines, nothing, nothing, pl.DataFrame(schema={"id": pl.String, "unit": pl.String}), None)
    persons = pl.DataFrame({"unit": lines["unit"], "arm": ["a"] * 100, "at": [0] * 100})
    assert unit_table(ledger, persons, 10, 0.01)["revenue"].max() == 10.0
    assert unit_table(ledger, persons, 10, 0.0)["revenue"].max() == 1e6


def test_a_read_out_is_printed_and_written(trial: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """Persons by arm, measures, the verdict, and two files that say the same."""
    exposures = [(f"user-{n}", "control" if n % 4 < 2 else "changed", AT) for n in range(30)]
    expose(trial, *exposures)
    assert experiment(trial.settings, "trial", NOW, None) == 0
    said = capsys.readouterr().out
    stated = json.loads((trial.settings.artifacts / "experiments" / "trial.json").read_text())
    assert stated["units"] == {"control": 16, "changed": 14}
    assert stated["verdicts"]["changed"] in " ".join(said.split())
    assert {each["measure"] for each in stated["differences"]} >= {"conversion", "orders", "revenue", "returns"}
    orders = next(each for each in stated["differences"] if each["measure"] == "orders")
    assert (orders["arm"], round(orders["control"], 3)) == ("changed", 1.0)
    assert [point["units"] for point in stated["curve"]][-1] == 14
    lines = pl.read_csv(trial.settings.artifacts / "experiments" / "trial.csv")
    assert lines.height == len(stated["differences"])


def test_ids_that_were_linked_are_one_person(trial: Shop) -> None:
    """A visitor who signs in is counted once, with the arm of the first exposure."""
    expose(trial, ("user-1", "control", AT), ("phone", "changed", AT - DAY), ("user-2", "control", AT))
    log = open_log(trial.settings)
    log.add_links([Link("phone", "user-1", AT + DAY)], AT + DAY)
    found = read_out(trial.settings, "trial", NOW)
    assert (dict(found.units), found.crossed) == ({"control": 1, "changed": 1}, 1)


def test_a_lost_arm_is_an_alarm(trial: Shop) -> None:
    """Where exposures of one arm get lost, the verdict is not to read it."""
    trial.add(*(event(f"new-{n}", "sofa-1", "view", NOW - timedelta(days=1)) for n in range(200)))
    trial.write()
    expose(trial, *((f"new-{n}", "control" if n % 4 else "changed", AT) for n in range(200)))
    found = read_out(trial.settings, "trial", NOW)
    assert found.sizes_p < 0.001
    assert found.verdicts["changed"].startswith("Do not read this")


def test_an_arm_that_is_lost_whole_is_an_alarm_too(trial: Shop) -> None:
    """Where no exposure of an arm is left to compare, the sentence says not to read it."""
    trial.add(*(event(f"new-{n}", "sofa-1", "view", NOW - timedelta(days=1)) for n in range(40)))
    trial.write()
    expose(trial, *((f"new-{n}", "control", AT) for n in range(40)))
    assert read_out(trial.settings, "trial", NOW).verdicts["changed"].startswith("Do not read this")


@pytest.mark.parametrize(
    ("exposures", "note"),
    [
        ([("user-1", "control", AT)], ""),
        (
            [("user-1", "control", AT), ("user-2", "gone", AT)],
            "in no figure, since the experiment has no such arm by now (gone): 1 persons",
        ),
        (
            [("user-1", "control", AT), ("user-2", "changed", AT + 60 * DAY)],
            "in no figure yet, since they were exposed after 2026-03-30 12:00: 1 persons",
        ),
    ],
)
def test_a_handful_is_too_early(trial: Shop, exposures: list[tuple[str, str, int]], note: str) -> None:
    """There is a sentence on each arm from the first exposure on, and whoever is in no figure is told."""
    expose(trial, *exposures)
    found = read_out(trial.settings, "trial", NOW)
    assert found.verdicts == {"changed": "Too early for changed: it or the control has fewer than two persons."}
    assert any(each.startswith(note) for each in found.notes), found.notes


def test_before_anybody_is_exposed_it_is_told_how_many_it_takes(trial: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """By those who came lately; nothing is written, and a shop in which nobody bought is told so."""
    assert experiment(trial.settings, "trial", NOW, None) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "nobody was exposed to it yet" in said
    assert "persons who came in the last four weeks 30" in said
    assert not (trial.settings.artifacts / "experiments").exists()
    chosen = trial.settings.experiments["trial"]
    nobody = Ledger(
        LINES.clear(), NOTHING, NOTHING, NO_OWNERS, None, came=pl.DataFrame({"unit": ["a", "b"], "at": [1, 2]}), as_of=3
    )
    assert "cannot be told: nobody had any conversion lately" in plan_words(chosen, plan_of(nobody, chosen))[0]


def test_staff_and_machines_are_not_counted(trial: Shop) -> None:
    """Under any id that is theirs; said beside the figures, and what they bought is nobody's."""
    trial.toml = trial.toml.replace("[data.events]", '[data]\nstaff = ["user-1", "tablet"]\n[data.events]')
    trial.add(*(event("crawler", "sofa-1", "view", ago(days=3, seconds=second / 10)) for second in range(90)))
    trial.write()
    ids = ("user-1", "user-2", "user-3", "crawler")
    expose(trial, *((user, "control" if user != "user-3" else "changed", AT) for user in ids))
    open_log(trial.settings).add_links([Link("tablet", "user-2", AT - DAY)], AT)
    found = read_out(trial.settings, "trial", NOW)
    assert (dict(found.units), dict(found.left_out)) == ({"control": 0, "changed": 1}, {"staff": 2, "machines": 1})


def test_returns_are_a_share_of_what_was_bought() -> None:
    """Four units of which two came back are a half, and one that came back whole is all of it: never more than 1."""
    rows = [("ann", 5, "sofa", 0, 20.0, 2.0, 2.0), ("bob", 5, "sofa", 1, 0.0, 0.0, 1.0)]
    ledger = Ledger(pl.DataFrame(rows, schema=LINES.schema, orient="row"), NOTHING, NOTHING, NO_OWNERS, "EUR")
    persons = pl.DataFrame({"unit": ["ann", "bob"], "arm": ["a", "b"], "at": [0, 0]})
    table, returns = unit_table(ledger, persons, 10, 0.0).sort("unit"), MEASURES["returns"]
    assert (table[returns.numerator] / table[returns.denominator or ""]).to_list() == [0.5, 1.0]
    assert table["units"].to_list() == [2.0, 0.0]


def test_margin_is_what_is_left_of_what_was_paid() -> None:
    """By the item's cost; of an item of unknown cost nothing, and without any cost no margin is told."""
    rows = [
        ("ann", 5, "sofa", 0, 100.0, 2.0, 0.0),
        ("ann", 6, "lamp", 1, 30.0, 1.0, 0.0),
        ("bob", 5, "sofa", 2, 40.0, 1.0, 0.0),
    ]
    lines = pl.DataFrame(rows, schema=LINES.schema, orient="row")
    items = pl.DataFrame({"item_id": ["sofa", "lamp"], "cost": [30.0, None], "since": [0, 0]})
    ledger = Ledger(lines, NOTHING, NOTHING, NO_OWNERS, "EUR", items)
    persons = pl.DataFrame({"unit": ["ann", "bob"], "arm": ["a", "b"], "at": [0, 0]})
    assert unit_table(ledger, persons, 10, 0.0).sort("unit")["margin"].to_list() == [40.0, 10.0]
    costless = ledger._replace(items=items.with_columns(cost=pl.lit(None, pl.Float64)))
    assert "margin" not in unit_table(costless, persons, 10, 0.0).columns


def test_what_was_sold_at_an_unknown_price_has_no_margin(trial: Shop) -> None:
    """Not its cost alone, which would be a loss; and it is said how many units there are."""
    rows = [("ann", 5, "sofa", 0, 50.0, 1.0, 0.0), ("bob", 5, "sofa", 1, None, 2.0, 0.0)]
    items = pl.DataFrame({"item_id": ["sofa"], "cost": [30.0], "since": [0]})
    ledger = Ledger(pl.DataFrame(rows, schema=LINES.schema, orient="row"), NOTHING, NOTHING, NO_OWNERS, "EUR", items)
    persons = pl.DataFrame({"unit": ["ann", "bob"], "arm": ["a", "b"], "at": [0, 0]})
    found = unit_table(ledger, persons, 10, 0.0).sort("unit")
    assert found.select("margin", "revenue", "orders").rows() == [(20.0, 50.0, 1), (0.0, 0.0, 1)]
    trial.add(event("user-1", "sofa-1", "purchase", ago(days=2), order_id="priced", quantity=2.0, price=9.0)).write()
    expose(trial, ("user-1", "control", AT), ("user-2", "changed", AT))
    notes = read_out(trial.settings, "trial", NOW).notes
    assert "2 of 4 units bought have no price: they count as no revenue and no margin" in notes


def test_segments_are_told_apart_by_what_was_known_before() -> None:
    """Those who had bought and those who had not, those of the first week and later ones; small ones are passed over."""
    rng = np.random.default_rng(3)
    n = 4_000
    bought = [(f"u{number}", -DAY, "sofa", number, 10.0, 1.0, 0.0) for number in range(0, n, 2)]
    after = [(f"u{number}", 11 * DAY, "sofa", n + number, 10.0, 1.0, 0.0) for number in range(n) if rng.random() < 0.3]
    ledger = Ledger(pl.DataFrame(bought + after, schema=LINES.schema, orient="row"), NOTHING, NOTHING, NO_OWNERS, None)
    arms = rng.integers(0, 2, n)
    persons = pl.DataFrame(
        {"unit": [f"u{number}" for number in range(n)], "arm": np.array(["control", "changed"])[arms], "at": [0] * n}
    ).with_columns(at=pl.when(pl.arange(n) < 50).then(10 * DAY).otherwise(0))
    chosen = msgspec.convert({"placement": "home", "arms": TWO_ARMS}, Experiment)
    table = unit_table(ledger, persons, 20 * DAY, 0.0)
    found = {each.segment: each for each in segments_of(table, ledger, chosen)}
    assert {name: each.units for name, each in found.items()} == {
        "had bought before": n // 2,
        "had never bought": n // 2,
        "came in the first week": n - 50,
    }
    assert all(each.difference.adjusted_p >= each.difference.p for each in found.values() if each.difference.adjusted_p)


def test_what_is_not_there_is_said(trial: Shop) -> None:
    """An unknown experiment, and one to which nobody was exposed."""
    with pytest.raises(DataError, match=r"'other': there is no such experiment; there are trial"):
        read_out(trial.settings, "other", NOW)
    with pytest.raises(DataError, match="nobody was exposed to it yet"):
        read_out(trial.settings, "trial", NOW)
