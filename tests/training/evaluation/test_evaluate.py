"""Evaluation: everybody and everything is judged once, and the table says what the lists were."""

from __future__ import annotations

import msgspec
import numpy as np
import polars as pl
import pytest

from recsys.engine.pipeline import answer
from recsys.engine.strategy import first_rule
from recsys.recommenders import RECOMMENDERS
from recsys.settings import Settings
from recsys.settings.placements import Placement, Rule
from recsys.tables.shop import read_shop
from recsys.types import Arrays, Query, SettingsError
from tests.conftest import NOW, Shop, ago, event
from tests.support.shops.evaluated import BLEND, FOLD, POPULAR, Run, questions
from tests.support.shops.synthetic import END
from training.evaluation.asking import ask_for
from training.evaluation.evaluate import (
    POPULARITY,
    TASKS,
    Evaluation,
    Subject,
    Task,
    difference,
    evaluate,
    examine,
    fit_for,
    history_length,
    judge,
    subjects,
    with_subjects,
)
from training.evaluation.metrics import DEPTH, METRICS, Interval, per_user
from training.evaluation.rules import Changed, alike
from training.evaluation.split import Fold

# The two tasks


def owned(settings: Settings) -> dict[str, set[str]]:
    """What each shopper bought before the split, but for what was ever given back."""
    events = read_shop(settings, before=FOLD.at).events.collect()
    pairs = events.filter(pl.col("event_type") == "purchase").select("user_id", "item_id").unique()
    refunds = events.filter(pl.col("event_type") == "refund").select("user_id", "item_id")
    kept = pairs.join(refunds, on=["user_id", "item_id"], how="anti").group_by("user_id").agg("item_id")
    return {user: set(items) for user, items in kept.iter_rows()}


@pytest.mark.long
def test_new_neither_shows_nor_counts_what_was_bought_before(run: Run) -> None:
    """In `new` nobody is shown, or judged by, what they own; in `repeat` both happen."""
    before, catalog = owned(run.settings), run.engine.catalog
    again = {"shown": 0, "wanted": 0}
    for task, judged in run.judged.items():
        for place, user in enumerate(judged.truth.users):
            has = {catalog.row(item) for item in before.get(user, ())}
            wanted = len(has & set(judged.truth.of(place).tolist()))
            shown = sum(len(has & set(lists.items[place].tolist())) for lists in judged.lists.values())
            assert task == "repeat" or not (wanted or shown)
            again["wanted"] += wanted
            again["shown"] += shown
    assert min(again.values()) > 10


def test_every_list_is_of_distinct_items(run: Run) -> None:
    """A list holds up to 20 different items of the catalogue, and then nothing but padding."""
    for judged in run.judged.values():
        for lists in judged.lists.values():
            assert lists.items.shape == (len(judged.truth), DEPTH)
            for row in lists.items.tolist():
                items = [item for item in row if item >= 0]
                assert len(set(items)) == len(items)
                assert row == [*items, *[-1] * (DEPTH - len(items))]


def test_at_most_so_many_users_are_asked(run: Run) -> None:
    """Of more users, some are drawn by the seed, each with the truth that it has among all; `new` asks none but those."""
    few = msgspec.structs.replace(run.settings.evaluation, users=15)
    everybody = run.examination.truths["repeat"]
    drawn, again, other = (examine(run.examination.split, few, seed).truths for seed in (1, 1, 2))
    assert len(drawn["repeat"]) == 15
    assert drawn["repeat"].users == again["repeat"].users != other["repeat"].users
    assert set(drawn["new"].users) <= set(drawn["repeat"].users) < set(everybody.users)
    for place, user in enumerate(drawn["repeat"].users):
        assert drawn["repeat"].of(place).tolist() == everybody.of(everybody.users.index(user)).tolist()


# Who is judged


def test_everything_that_can_answer_is_judged(run: Run) -> None:
    """Every recommender there is, the blend and every placement, the shop's own too, are each a row of each task."""
    own = msgspec.structs.replace(run.settings, placements={"wishlist": Placement(fallback=("trending",))})
    expected = [
        *(Subject("recommender", name) for name in RECOMMENDERS),
        BLEND,
        *(Subject("placement", name) for name in own.placement_names()),
    ]
    assert subjects(own) == expected
    assert Subject("placement", "wishlist") in expected
    asked = [(row.task, row.subject) for row in run.evaluation.rows]
    assert asked == [(task, subject) for task in TASKS for subject in subjects(run.settings)]
    assert run.evaluation.row(BLEND, "new") is run.evaluation.rows[asked.index(("new", BLEND))]


def test_alone_means_alone(run: Run) -> None:
    """A recommender's row is its own work: no other fills its places; the blend's is that of the blend's recommenders."""
    judged = with_subjects(run.settings)
    blended = {name for segment in ("lead", "customer", "repeat") for name in getattr(judged.blend, segment)}
    names_contributing: set[str] = set()
    for subject in subjects(run.settings):
        if subject.kind == "placement":
            assert judged.placement(subject.placement) == run.settings.placement(subject.name)
            continue
        sources = set()
        for user in run.examination.truths["repeat"].users[:25]:
            query = Query(now=run.examination.now, user_id=user, placement=subject.placement, bought=TASKS["repeat"])
            sources |= set(answer(run.engine, query, run.engine.snapshot.histories.of(user)).sources)
        assert sources <= (blended if subject == BLEND else {subject.name})
        names_contributing |= sources
    assert {POPULARITY, "item_item"} <= names_contributing


# The table


def test_rows_are_means_over_warm_users(run: Run) -> None:
    """Each row is the mean over users with a train event, inside its interval; cold users are not in it."""
    for row in run.evaluation.rows:
        judged = run.judged[row.task]
        assert 0 < row.users == judged.warm.sum() < len(judged.truth)
        for name in METRICS:
            found = row.metrics[name]
            assert found.mean == pytest.approx(judged.values[row.subject][name][judged.warm].mean())
            assert found.low <= found.mean <= found.high


def test_warm_users_are_those_with_an_event_before(run: Run) -> None:
    """Who has an event before the split, under a name known by then, is warm."""
    seen = set(read_shop(run.settings, before=FOLD.at).events.select("user_id").collect()["user_id"])
    for judged in run.judged.values():
        assert judged.warm.tolist() == [user in seen for user in judged.truth.users]


def test_personal_lists_are_told_from_those_for_everybody(run: Run) -> None:
    """What sells best is nobody's own; what is like a shopper's history is; popularity shows few items, and of the head."""
    popular, own = (run.evaluation.row(subject, "repeat") for subject in (POPULAR, Subject("recommender", "item_item")))
    assert popular.personalized == 0 < 0.9 < own.personalized
    assert popular.coverage < own.coverage
    assert popular.long_tail < own.long_tail


@pytest.mark.parametrize("by", ["history", "intent", "lifecycle", "category"])
def test_slices_add_up_to_everybody(run: Run, by: str) -> None:
    """The values of one slice part all users, cold ones on their own, and their means make up the mean over all."""
    for task, judged in run.judged.items():
        for subject in (BLEND, POPULAR):
            part = run.part(subject, task, by)
            users = {value: users for value, (users, _) in part.items()}
            assert sum(users.values()) == len(judged.truth)
            assert len(users) > 2
            assert users["0 events" if by == "history" else "cold"] == (~judged.warm).sum() > 0
            total = sum(users * mean for users, mean in part.values())
            assert total == pytest.approx(judged.values[subject]["ndcg10"].sum())


def test_slices_say_what_was_known_of_each_shopper(shop: Shop) -> None:
    """Hand-made shoppers fall where docs/evaluation.md says, by what they did before the window."""
    looks: dict[str, list[str | None]] = {
        "ann": ["sofa-1", "sofa-2", "lamp-1", "lamp-2", *["bag-1"] * 3],
        "bob": ["bag-1"],
        "dan": [None],
    }
    shop.add(
        *(event(user, item, at=ago(days=20, minutes=40 * n)) for user, row in looks.items() for n, item in enumerate(row)),
        event("bob", "bag-2", "purchase", ago(days=12)),
        *(event(user, "sofa-3", "purchase", ago(days=2)) for user in ("ann", "bob", "cold", "dan")),
    )
    shop.write()
    examination = questions(shop.settings, Fold(ago(days=10), 10), NOW)
    found, _ = evaluate(shop.settings, examination, NOW)
    slices = {(each.by, each.value): each.users for each in found.slices if (each.subject, each.task) == (BLEND, "repeat")}
    assert slices == {
        ("history", "6-20"): 1,
        ("history", "2-5"): 1,
        ("history", "1"): 1,
        ("history", "0 events"): 1,
        ("intent", "browser"): 3,
        ("intent", "cold"): 1,
        ("lifecycle", "lead"): 2,
        ("lifecycle", "first_time"): 1,
        ("lifecycle", "cold"): 1,
        ("category", "Home"): 1,
        ("category", "Fashion"): 1,
        ("category", "none"): 1,
        ("category", "cold"): 1,
    }


@pytest.mark.parametrize(
    ("events", "name"),
    [(0, "0 events"), (1, "1"), (2, "2-5"), (5, "2-5"), (6, "6-20"), (20, "6-20"), (21, "21-100"), (101, "over 100")],
)
def test_history_lengths(events: int, name: str) -> None:
    """Each length has one bucket; its name gives both ends."""
    assert history_length(events) == name


# The same again


@pytest.mark.long
def test_the_same_data_and_settings_give_the_same_table(run: Run) -> None:
    """Read, fitted and asked once more from the files, everything is equal: metrics, intervals, slices and what was learned."""
    examination, known = questions(run.settings), dict[bytes, Arrays]()
    again, _ = evaluate(run.settings, examination, END, known=known)
    assert again == run.evaluation
    learned = fit_for(examination, run.settings, END, known).snapshot.manifest
    assert learned.content_hash == run.engine.snapshot.manifest.content_hash


@pytest.mark.long
def test_what_was_fitted_is_shared_between_settings(run: Run) -> None:
    """With what is known from an earlier fit, the table is the same, and other settings do not disturb it."""
    known = dict(run.known)
    assert len(known) == len(RECOMMENDERS)
    other = msgspec.structs.replace(run.settings, recommenders={POPULARITY: {"window_days": 2}})
    changed, _ = evaluate(other, run.examination, END, known=known)
    again, _ = evaluate(run.settings, run.examination, END, known=known)
    assert again == run.evaluation
    assert changed.row(POPULAR, "repeat") != again.row(POPULAR, "repeat")
    assert len(known) == len(RECOMMENDERS) + 1


def test_an_evaluation_is_plain_data(run: Run) -> None:
    """It survives JSON whole, as it stands in a manifest."""
    assert msgspec.json.decode(msgspec.json.encode(run.evaluation), type=Evaluation) == run.evaluation


@pytest.mark.parametrize("who", ["nobody", "only a cold shopper", "only who has it already"])
def test_empty_tasks_are_plain_data_too(busy_shop: Shop, who: str) -> None:
    """Where a task has nobody to ask, or only cold users, its rows have 0 users and zeros, and JSON can write them."""
    if who != "nobody":
        item = busy_shop.events[4]["item_id"]
        user = "cold" if who == "only a cold shopper" else busy_shop.events[4]["user_id"]
        busy_shop.add(event(user, item, "purchase", ago(minutes=1)))
    busy_shop.write()
    examination = questions(busy_shop.settings, Fold(ago(days=0.5), 1), NOW)
    found, _ = evaluate(busy_shop.settings, examination, NOW)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Evaluation) == found
    assert found.users == (who != "nobody")
    row = found.row(BLEND, "new")
    assert row.users == row.personalized == row.coverage == row.long_tail == 0
    assert set(row.metrics.values()) == {(0.0, 0.0, 0.0)}


def test_progress_runs_to_its_end(run: Run) -> None:
    """Whoever watches is told of each subject and task in turn, and at last that all is done."""
    stated: list[tuple[int, int]] = []
    few = examine(run.examination.split, msgspec.structs.replace(run.settings.evaluation, users=15), seed=1)
    judge(run.engine, few, subjects(run.settings), lambda done, of: stated.append((done, of)))
    shares = [done / of for done, of in stated]
    assert shares == sorted(shares)
    assert len(set(shares)) == len(shares) == len(TASKS) * len(subjects(run.settings)) + 1
    assert shares[-1] == 1


# Planted tastes are found


@pytest.mark.parametrize("task", list(TASKS))
@pytest.mark.parametrize("subject", [BLEND, Subject("recommender", "item_item")], ids=lambda subject: subject.name)
def test_tastes_beat_popularity(run: Run, subject: Subject, task: Task) -> None:
    """Shoppers of the synthetic shop have tastes; who learns them is better than popularity by the whole paired interval."""
    judged = run.judged[task]
    lead = difference(judged, judged, subject, run.settings, against=POPULAR)
    assert lead.low > 0
    means = [run.evaluation.row(each, task).metrics["ndcg10"].mean for each in (subject, POPULAR)]
    assert lead.mean == pytest.approx(means[0] - means[1])


def test_a_subject_differs_from_itself_by_nothing(run: Run) -> None:
    """The same lists differ by 0 with no doubt about it."""
    judged = run.judged["repeat"]
    assert difference(judged, judged, BLEND, run.settings) == (0.0, 0.0, 0.0)


def test_only_the_same_users_can_be_compared(run: Run) -> None:
    """Runs that asked different users are refused."""
    few = examine(run.examination.split, msgspec.structs.replace(run.settings.evaluation, users=15), seed=1)
    other = judge(run.engine, few, [BLEND])["repeat"]
    with pytest.raises(SettingsError, match="only for the same users"):
        difference(run.judged["repeat"], other, BLEND, run.settings)


# Rules


def test_each_lead_rule_has_a_row(run: Run) -> None:
    """Of each rule that leads some: those whom it leads, its lists as they are, changed, and without it, all of the same users."""
    rows = {(row.placements[0], row.rule, row.task): row for row in run.evaluation.rules}
    assert {rule for name, rule, _ in rows if name == "home"} >= {"category_buyer", "brand_lover"}
    home = run.settings.placement("home") or Placement()
    for task, judged in run.judged.items():
        values = judged.values[Subject("placement", "home")]["ndcg10"]
        led = {
            rule.name: np.array([found is rule for found in leaders(run, judged.truth.users, home)], bool) & judged.warm
            for rule in home.rules
        }
        for rule in home.rules[1:-1]:
            mine = led[rule.name]
            if not mine.any():
                assert ("home", rule.name, task) not in rows
                continue
            row = rows["home", rule.name, task]
            assert (row.users, row.share) == (mine.sum(), round(mine.sum() / judged.warm.sum(), 4))
            assert row.ndcg10.mean == pytest.approx(values[mine].mean())
            assert row.changed[rule.order] == Changed(row.ndcg10, Interval(0, 0, 0))
            assert set(row.changed) == {"own", "blend", "without"}
            for change in row.changed.values():
                assert change.gain.mean == pytest.approx(change.ndcg10.mean - row.ndcg10.mean)
                assert change.gain.low <= change.gain.mean <= change.gain.high


def test_without_a_rule_the_next_one_answers(run: Run) -> None:
    """A rule that is taken out is measured by what the shop would show if it had never been written."""
    row = next(
        row for row in run.evaluation.rules if (row.placements[0], row.rule, row.task) == ("home", "brand_lover", "new")
    )
    home, judged = run.settings.placement("home") or Placement(), run.judged["new"]
    found = leaders(run, judged.truth.users, home)
    mine = np.array([rule is not None and rule.name == "brand_lover" for rule in found], bool) & judged.warm
    bare = Placement(rules=tuple(rule for rule in home.rules if rule.name != "brand_lover"))
    settings = msgspec.structs.replace(run.engine.settings, placements={**run.engine.settings.placements, "bare": bare})
    engine = run.engine.in_arms(settings, run.engine.blend, ())
    lists = ask_for(engine, run.examination, "bare", "new", judged.truth.users)
    values = per_user(lists.items, judged.truth, engine.catalog.n_items)["ndcg10"]
    assert row.changed["without"].ndcg10.mean == pytest.approx(values[mine].mean())


def leaders(run: Run, users: list[str], placement: Placement) -> list[Rule | None]:
    """The rule of a placement that leads for each of these users."""
    profiler, histories = run.engine.profiler, run.engine.snapshot.histories
    return [
        first_rule(placement, profiler.profile(user, histories.of(user), run.examination.now), has_context=False)
        for user in users
    ]


def test_placements_that_answer_alike_share_their_rows() -> None:
    """Rules that look at items on the page never lead here; placements that differ by nothing else are measured once."""
    groups = alike(
        Settings(placements={"wishlist": Placement(limit=3, bought="allow"), "mail": Placement(fallback=("bestsellers",))})
    )
    assert groups["cart"] == ("cart", "category", "pdp", "wishlist")
    assert groups["home"] == ("home",)  # it mixes categories
    assert groups["mail"] == ("mail",)
