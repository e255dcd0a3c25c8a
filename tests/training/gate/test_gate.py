"""The gate: what it refuses, why, and what it lets through; every refusal leaves the shop as it was."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, cast

import msgspec
import numpy as np
import polars as pl
import pytest

from recsys.engine.pipeline import Engine
from recsys.recommenders import RECOMMENDERS
from recsys.recommenders.base import AnyRecommender
from recsys.recommenders.item_item import ItemItem
from recsys.recommenders.trending import Trending
from recsys.settings import BehaviourSettings, Settings
from recsys.snapshot.id_index import blob_arrays, id_arrays
from recsys.snapshot.manifest import RankerRecord, TaskVerdict
from recsys.snapshot.store import FORMAT, current_version, publish, read_manifest, versions
from recsys.types import Arrays, Candidates, GateError, Mask, Profile, RowQuery, SettingsError
from tests.conftest import NOW, SETTINGS, Shop, ago, busy_events, event, micros
from tests.support.training import train
from training.evaluation.evaluate import Evaluation, Examination, Judged, Subject, Task
from training.evaluation.split import Fold, Truth, split
from training.gate.config_validation import beats_popularity, nothing_after, nothing_outside, ranker_kept
from training.gate.contest import POPULAR
from training.gate.gate import GateVerdict, SnapshotGate, summary_rows, verdict_of
from training.gate.snapshot_checks import BLEND, Check
from training.job.job import Steps, fit, learn, prepare

TASTES, TASTE_ITEMS, SHOPPERS = 6, 20, 120
DAYS = 60
"""How long the shop has been open."""


@pytest.mark.parametrize("leads", [True, False])
def test_a_ranker_that_leads_is_not_lost_in_silence(leads: bool) -> None:
    """Without its package a training goes on; that the live ranker is gone then is no verdict on it."""
    verdict = TaskVerdict(leads=leads, blend=0.1, ranker=0.2, difference=(0.1, 0.05, 0.15))
    live, none = RankerRecord(tasks={"new": verdict}), RankerRecord(said="LightGBM is not installed.")
    checks = ranker_kept(Settings(), none, live)
    assert [each.passed for each in checks] == [False] * leads
    assert all("LightGBM is not installed." in each.said for each in checks)
    judged = RankerRecord(tasks={"new": msgspec.structs.replace(verdict, leads=False)})
    assert ranker_kept(Settings(), judged, live) == ()
    off = msgspec.structs.replace(Settings(), ranker=msgspec.structs.replace(Settings().ranker, mode="off"))
    assert ranker_kept(off, none, live) == ()


def taste_items() -> list[dict[str, Any]]:
    """Items of six tastes."""
    return [
        {"item_id": f"t{taste}-{number:02}", "title": f"Item {number}", "category": f"Shop > Taste {taste}", "price": 10.0}
        for taste in range(TASTES)
        for number in range(TASTE_ITEMS)
    ]


def taste_events() -> list[dict[str, Any]]:
    """Shoppers who look at and buy items of one taste each, some every week."""
    rng, rows = np.random.default_rng(20), []
    for shopper in range(SHOPPERS):
        wanted = rng.permutation(TASTE_ITEMS)
        days = np.sort(rng.uniform(0.1, DAYS, 20))[::-1]
        for at, day in enumerate(days.tolist()):
            item = f"t{shopper % TASTES}-{wanted[at % 14]:02}"
            kind = "purchase" if at % 3 == 0 else "view"
            rows.append(event(f"shopper-{shopper:03}", item, kind, ago(days=day), order_id=f"o-{shopper}-{at}"))
    return rows


@pytest.fixture
def tastes(tmp_path: Path) -> Shop:
    """A shop of six tastes, nothing published."""
    return Shop(tmp_path, taste_events(), taste_items())


def before(shop: Shop, days: float) -> list[dict[str, Any]]:
    """The events that are older."""
    return [row for row in shop.events if row["timestamp"] < ago(days=days)]


@pytest.fixture(scope="module")
def yesterday(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the shop of tastes published yesterday, on yesterday's tables; read only."""
    shop = Shop(tmp_path_factory.mktemp("yesterday"), taste_events(), taste_items())
    shop.events = before(shop, 1)
    shop.publish(NOW - timedelta(days=1))
    return shop.folder / "artifacts"


@pytest.fixture
def live(tastes: Shop, yesterday: Path) -> Shop:
    """The shop of tastes with yesterday's snapshot live."""
    shutil.copytree(yesterday, tastes.folder / "artifacts")
    return tastes


def verdict(shop: Shop, **more: Any) -> GateVerdict:
    """Train as it stands, and read what the gate said."""
    shop.write()
    found = verdict_of(train(shop.settings, now=more.pop("now", NOW), **more).manifest)
    assert found is not None
    return found


def refused(shop: Shop, **more: Any) -> str:
    """Train, see it refused with everything left as it was, and read why."""
    artifacts = shop.folder / "artifacts"
    files = {path: path.stat().st_mtime_ns for path in artifacts.rglob("*") if path.name != ".lock"}
    current = current_version(artifacts)
    with pytest.raises(GateError) as error:
        verdict(shop, **more)
    assert {path: path.stat().st_mtime_ns for path in artifacts.rglob("*") if path.name not in (".lock", "artifacts")} == {
        path: time for path, time in files.items() if path.name != "artifacts"
    }
    assert current_version(artifacts) == current
    said = str(error.value)
    assert said.startswith("The gate refused this snapshot: it was not published, ")
    assert (f"{current} goes on serving" if current else "nothing is live yet") in said
    return said


def named(found: GateVerdict) -> dict[str, bool]:
    """The checks that were made."""
    return {check.name: check.passed for check in found.checks}


BOTH = {"items", "freshness", "leak", "outside", "too good", "popularity", "files", "ids", "coverage", "agreement"}


@pytest.mark.long
def test_the_first_publish_has_its_own_rule(tastes: Shop) -> None:
    """With nothing live, popularity and the artifact are checked; the manifest keeps verdict and metrics, the hash neither."""
    tastes.write()
    fitted = train(tastes.settings, now=NOW)
    found = verdict_of(fitted.manifest)
    assert found is not None
    assert (found.passed, found.first, found.forced) == (True, True, None)
    assert named(found) == dict.fromkeys(BOTH, True)
    assert fitted.manifest.content_hash == fit(tastes.settings, now=NOW).manifest.content_hash
    kept = read_manifest(tastes.folder / "artifacts", fitted.manifest.version)
    assert verdict_of(kept) == found
    measured = msgspec.convert(kept.metrics, Evaluation)
    assert (measured.days, measured.users, len(measured.rows)) == (28, 120, 6)
    row = measured.row(BLEND, "new")
    assert row.metrics["ndcg10"].low < row.metrics["ndcg10"].mean < row.metrics["ndcg10"].high
    assert row.metrics["ndcg10"].low > measured.row(Subject("recommender", "trending"), "new").metrics["ndcg10"].mean


@pytest.mark.long
def test_an_honest_retrain_passes(live: Shop) -> None:
    """Tomorrow's tables and the same settings go through, compared with what is live."""
    found = verdict(live)
    assert (found.passed, found.first) == (True, False)
    assert named(found) == dict.fromkeys(BOTH | {"volume", "past", "live recipe"}, True)
    assert "The settings are those of the live snapshot." in found.paragraph
    assert len(versions(live.folder / "artifacts")) == 2


@pytest.mark.long
def test_the_same_recipe_loses_exactly_nothing(live: Shop) -> None:
    """Settings that say the same in other words are measured: every difference is 0, and passes."""
    live.toml += "[blend]\nlead = { item_item = 2.0 }\ncustomer = { ease = 2.0, als = 0.0 }\n"
    said = {check.name: check.said for check in verdict(live).checks}["live recipe"]
    assert said.count("0.0000 [0.0000, 0.0000] against 0.") == 4


def shuffle_ids(shop: Shop) -> None:
    """Give every event the id of another item."""
    ids = [row["item_id"] for row in shop.items]
    other = dict(zip(ids, np.random.default_rng(3).permutation(ids).tolist(), strict=True))
    shop.events = [{**row, "item_id": other[row["item_id"]]} for row in shop.events]


def no_purchases(shop: Shop) -> None:
    """Leave most purchases out."""
    shop.events = [row for at, row in enumerate(shop.events) if row["event_type"] == "view" or at % 4 == 0]


def sold_out(shop: Shop) -> None:
    """Nothing can be had any more."""
    shop.items = [{**row, "available": False} for row in shop.items]


def with_toml(text: str) -> Callable[[Shop], None]:
    """Add to the settings."""
    return lambda shop: setattr(shop, "toml", shop.toml + text)


def named_alike(weights: str) -> str:
    """Settings whose blend has these weights in all segments."""
    return "[blend]\n" + "".join(f"{segment} = {{ {weights} }}\n" for segment in ("lead", "customer", "repeat"))


REFUSED: dict[str, tuple[Callable[[Shop], object], str]] = {
    "shuffled item ids": (shuffle_ids, "past, the new one says 0% again .*are ids or times mixed up"),
    "half-empty event table": (
        lambda shop: setattr(shop, "events", shop.events[::2]),
        "Too little data: 1,200 events where the live snapshot has 2,372, .*are the tables whole",
    ),
    "purchases missing": (no_purchases, r"Too little data: \d+ purchases where"),
    "everything sold out": (sold_out, "0 items that can be shown where the live snapshot has 120"),
    "stale table": (
        lambda shop: setattr(shop, "events", before(shop, 3)),
        "Stale: these tables end on 2026-03-28 .*, before the live snapshot's on 2026-03-30",
    ),
    "popularity dressed up": (
        with_toml(named_alike("trending = 1.0")),
        r"no better than showing everybody what is popular: NDCG@10 0\.\d{4} on `repeat`, \+0\.0000 against popularity's 0\.\d{4} ",
    ),
    "worse recipe": (
        with_toml("[recommenders]\nease = { neighbours = 1 }\nitem_item = { neighbours = 1 }\n"),
        r"settings are worse than the live ones by more than 2%.*blend on `new` -0\.",
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("case", REFUSED)
def test_what_is_worse_than_live_is_refused(live: Shop, case: str) -> None:
    """Tables or settings that would harm the shop are refused; the paragraph names the cause."""
    break_it, said = REFUSED[case]
    break_it(live)
    assert re.search(said, refused(live))


@pytest.mark.long
def test_popularity_is_refused_as_a_first_publish_too(tastes: Shop) -> None:
    """Bestsellers under another name are not let through for want of a live snapshot."""
    tastes.toml += named_alike("trending = 1.0")
    assert "no better than showing everybody what is popular" in refused(tastes)


@pytest.mark.long
@pytest.mark.parametrize(("days", "passes"), [(0, True), (6.9, True), (7.1, False)])
def test_old_events_are_stale_on_the_wall_clock(tastes: Shop, days: float, passes: bool) -> None:
    """Where shoppers are served by the wall clock, the newest event is at most a week old; on the events' clock of any age."""
    newest = max(row["timestamp"] for row in tastes.events)
    tastes.toml = SETTINGS.replace('clock = "events"', 'clock = "wall"')
    now = newest + timedelta(days=days)
    if passes:
        assert named(verdict(tastes, now=now))["freshness"]
    else:
        assert "Stale: the newest event is of 2026-03-31" in refused(tastes, now=now)
        tastes.toml = SETTINGS
        assert verdict(tastes, now=now).passed


SOME_OF_EACH = """
[blend]
lead = { item_item = 1.0 }
customer = { ease = 1.0, item_item = 0.3 }
repeat = { buy_again = 0.3, ease = 0.4, item_item = 0.2, trending = 0.1 }
"""


@pytest.mark.long
def test_what_the_window_does_not_decide_the_windows_before_do(live: Shop) -> None:
    """A recipe that may lose on a task, and is better on the windows before, goes live; one that was worse there does not."""
    live.toml += SOME_OF_EACH
    said = {check.name: check.said for check in verdict(live).checks}["live recipe"]
    assert re.search(r"blend on `new` -0\.\d+ \[-0\.\d+, 0\.\d+\] against", said)
    assert re.search(
        r"decide nothing; on the 3 windows before the new settings are \d+\.\d% better than the live ones\.", said
    )


@pytest.mark.long
def test_what_was_worse_on_the_windows_before_is_refused(live: Shop) -> None:
    """The refusal names both commands that help; with a tuned file, the one that takes it back."""
    (live.folder / "tuned.toml").write_text("[recommenders.ease]\nneighbours = 10\n")
    live.toml += "[recommenders.ease]\nneighbours = 10\n"
    said = refused(live)
    assert re.search(r"on the 3 windows before the new settings are \d+\.\d% worse than the live ones\.", said)
    assert f"`rm {live.folder / 'tuned.toml'}` takes back what `make tune` found" in said
    assert "`make train ARGS='--force \"REASON\"'` publishes it all the same." in said
    (live.folder / "tuned.toml").unlink()
    assert "`make tune` looks for better settings" in refused(live)


@pytest.mark.long
def test_findings_of_weight_are_told_before_anything_is_judged(tastes: Shop) -> None:
    """What `validate` explains is repeated by training, refused or not; a stray double row is not."""
    tastes.events += [event("undefined", "t0-00", at=ago(days=1, minutes=at)) for at in range(40)]
    tastes.events += [tastes.events[0]]
    tastes.write()
    stated: list[str] = []
    gate = SnapshotGate(tastes.settings, NOW, Steps(), tell=stated.append)
    gate.judge(fit(tastes.settings, now=NOW))
    assert [said.count("undefined: 40 events") for said in stated] == [1]


def test_a_shop_without_items_is_not_even_forced(tastes: Shop) -> None:
    """A list of nothing is no list: nothing publishes it."""
    tastes.items = []
    said = refused(tastes)
    assert "0 of 0 items can be shown" in said
    assert "`make validate` says more about the tables; nothing publishes a shop without items." in said
    assert "0 of 0 items can be shown" in refused(tastes, force="I like it empty")


def against_popularity(gains: list[float]) -> Check:
    """The check, where shoppers' NDCG@10 of the blend are above popularity's 0.2 by so much on `repeat`, and by nothing on `new`."""
    users = [f"u{number:03}" for number in range(len(gains))]
    truth = Truth(users, np.zeros(len(users) + 1, np.int64), np.empty(0, np.int32), np.ones(len(users), np.int32))
    popular = np.full(len(users), 0.2)
    values: dict[Task, Any] = {"repeat": popular + gains, "new": popular}
    return beats_popularity(
        {
            task: Judged(truth, np.ones(len(users), bool), {}, {BLEND: {"ndcg10": blend}, POPULAR: {"ndcg10": popular}})
            for task, blend in values.items()
        },
        Settings(),
    )


@pytest.mark.parametrize(
    ("gains", "passed", "said"),
    [
        (
            [0.1, 0.2] * 30,
            True,
            r"finds more than popularity: NDCG@10 0\.3500 on `repeat`, \+0\.1500 against popularity's 0\.2000",
        ),
        ([0.4, -0.2, -0.1] * 20, True, r"\(95 % interval −0\.0\d+ to \+0\.\d+\).* So few shoppers do not prove it\."),
        (
            [0.0] * 60,
            False,
            r"no better than showing everybody what is popular: NDCG@10 0\.2000 on `repeat`, \+0\.0000 against",
        ),
        ([-0.1, 0.05] * 30, False, r"NDCG@10 0\.1750 on `repeat`, −0\.0250 against popularity's 0\.2000"),
    ],
)
def test_a_gain_over_popularity_reads_like_one(gains: list[float], passed: bool, said: str) -> None:
    """A sure gain and a likely one go live, worded as what the blend reaches and how far above popularity that is; none does not."""
    check = against_popularity(gains)
    assert check.passed is passed
    assert re.search(said, check.said)


def incoming(shop: Shop) -> Path:
    """The folder that is being written."""
    (folder,) = (shop.folder / "artifacts").glob(".incoming-*")
    return folder


def flip(file: Path) -> None:
    """Change one bit of a file."""
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


@pytest.mark.long
@pytest.mark.parametrize("force", [None, "I know better"])
def test_a_file_changed_after_writing_is_refused(live: Shop, force: str | None) -> None:
    """A byte that changed between writing and the check stops the publish, forced or not: no worker would open it."""

    def watch(step: str) -> None:
        if step == "gate: files":
            flip(incoming(live) / "item_item" / "weights.npy")

    if force is None:
        assert "item_item/weights.npy was changed after it was written" in refused(live, watch=watch)
        return
    before = versions(live.folder / "artifacts")
    with pytest.raises(GateError, match=r"^The gate refused .*item_item/weights\.npy was changed"):
        verdict(live, watch=watch, force=force)
    assert versions(live.folder / "artifacts") == before


class Peeking(Trending):
    """A leak: counts what will be bought, read from the shop's own file."""

    name: ClassVar[str] = "peeking"
    file: ClassVar[Path]

    @classmethod
    def later(cls, as_of: int) -> pl.DataFrame:
        """Purchases after the moment that it should not look beyond."""
        events = pl.read_parquet(cls.file).with_columns(pl.col("timestamp").dt.epoch("us").alias("time"))
        return events.filter((pl.col("time") >= as_of) & (pl.col("event_type") == "purchase"))

    @staticmethod
    def fit(tables: Any, behaviour: BehaviourSettings, settings: Any) -> Arrays:
        """Rank by tomorrow's purchases."""
        rows = np.array([tables.catalog.row(item) for item in Peeking.later(tables.as_of)["item_id"].to_list()], np.int64)
        scores = np.bincount(rows[rows >= 0], minlength=tables.catalog.n_items).astype(np.float32)
        return {"scores": scores, "everything": np.argsort(-scores, kind="stable").astype(np.int32)}


class Foreseeing(Peeking):
    """A leak that hides: keeps what each shopper will buy as plain text, and looks it up when asked."""

    name: ClassVar[str] = "foreseeing"

    @staticmethod
    def merge(parts: Any, tables: Any, behaviour: BehaviourSettings, settings: Any) -> Arrays:
        """Write tomorrow down."""
        pairs = Peeking.later(tables.as_of).select("user_id", "item_id").rows()
        text = msgspec.json.encode(pairs)
        return {**Trending.merge(parts, tables, behaviour, settings), "later": np.frombuffer(text, np.uint8)}

    def __init__(self, arrays: Arrays, catalog: Any, behaviour: BehaviourSettings, settings: Any) -> None:
        super().__init__(arrays, catalog, behaviour, settings)
        self._later, self._catalog = msgspec.json.decode(arrays["later"].tobytes()), catalog

    def recommend(self, query: RowQuery, profile: Profile, n: int, allowed: Mask) -> Candidates:
        """Say what was written down."""
        rows = {self._catalog.row(item) for user, item in self._later if user == profile.user_id}
        kept = np.array(sorted(row for row in rows if allowed[row])[:n], np.int32)
        return Candidates(kept, np.ones(len(kept), np.float32))


class Scrambled(ItemItem):
    """A bug: fitted on the newest events, its rows are those of another catalogue."""

    name: ClassVar[str] = "scrambled"

    @staticmethod
    def merge(parts: Any, tables: Any, behaviour: BehaviourSettings, settings: Any) -> Arrays:
        """Fit, and move every row where events are fresh."""
        arrays = ItemItem.merge(parts, tables, behaviour, settings)
        moved = 50 * (tables.as_of > micros(ago(days=1)))
        return {**arrays, "neighbours": np.roll(arrays["neighbours"], moved, axis=0)}


class Mixing(ItemItem):
    """A bug: sorts the catalogue that it was lent."""

    name: ClassVar[str] = "mixing"

    @staticmethod
    def merge(parts: Any, tables: Any, behaviour: BehaviourSettings, settings: Any) -> Arrays:
        """Fit, and disturb the shared arrays where events are fresh."""
        if tables.as_of > micros(ago(days=1)):
            tables.catalog.items.published._rows.sort()
        return ItemItem.merge(parts, tables, behaviour, settings)


class NoNumbers(ItemItem):
    """A bug: scores that are no numbers."""

    name: ClassVar[str] = "no_numbers"

    def recommend(self, query: RowQuery, profile: Profile, n: int, allowed: Mask) -> Candidates:
        """Rank well, score badly."""
        found = super().recommend(query, profile, n, allowed)
        return Candidates(found.items, np.full(len(found), np.nan, np.float32), found.explained_by)


class Sparing(ItemItem):
    """A bug: what it ranks it takes out of everybody's reach."""

    name: ClassVar[str] = "sparing"

    def recommend(self, query: RowQuery, profile: Profile, n: int, allowed: Mask) -> Candidates:
        """Rank, and forbid the rest."""
        found = super().recommend(query, profile, min(n, 5), allowed)
        if n <= 22:
            allowed[:] = False
        return found


FAULTY: dict[str, tuple[type[Trending] | type[ItemItem], str]] = {
    "leak, joined by id": (Peeking, "Leak: peeking learned something else when item ids were hidden"),
    "leak, word for word": (Foreseeing, r"Too good to be true: NDCG@10 (0\.9\d+|1\.0+) \["),
    "not what was measured": (Scrambled, r"new arrays share \d\.\d% of the first ten with .*They are not what was measured"),
    "ids mixed up": (Mixing, "The item ids are mixed up: row .* is 't"),
    "scores that are no numbers": (NoNumbers, "answers with scores that are no numbers"),
    "short lists": (Sparing, r"Only \d\d\.\d% of 1,451 lists came back full \(90% is the least\)"),
}


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Callable[[type[AnyRecommender]], None]:
    """Add a recommender for the length of a test."""
    return lambda kind: monkeypatch.setitem(cast("dict[str, type[AnyRecommender]]", RECOMMENDERS), kind.name, kind)


@pytest.mark.long
@pytest.mark.parametrize("case", FAULTY)
def test_faulty_recommenders_are_refused(tastes: Shop, case: str, register: Callable[[type[AnyRecommender]], None]) -> None:
    """A recommender that peeks, or whose published arrays do not do what its measured ones did, does not go live."""
    kind, said = FAULTY[case]
    register(kind)
    tastes.write()
    Peeking.file = tastes.folder / "events.parquet"
    tastes.toml += named_alike(f"{kind.name} = 1.0")
    assert re.search(said, refused(tastes))


@pytest.mark.long
def test_a_gain_too_good_to_be_true_is_refused(live: Shop, register: Callable[[type[AnyRecommender]], None]) -> None:
    """A recipe that doubles what a good one reaches is taken for a leak, even below the highest NDCG."""
    register(Foreseeing)
    Peeking.file = live.folder / "events.parquet"
    live.toml += named_alike("foreseeing = 1.0") + "[gate]\nlargest_ndcg = 1.0\n"
    assert re.search(r"Too good to be true: NDCG@10 of blend on `repeat` 0\.\d+", refused(live))


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(RECOMMENDERS))
def test_no_recommender_of_ours_reads_ids(tastes: Shop, name: str) -> None:
    """Every recommender learns the same with item ids hidden, so the check for leaks never stops an honest one."""
    tastes.toml += named_alike(f"item_item = 1.0, {name} = 0.01" if name != "item_item" else "item_item = 1.0")
    tastes.write()
    examined = prepare(tastes.settings, now=NOW, before=ago(days=28))
    shadow = Engine(learn(examined, tastes.settings, now=NOW).snapshot(), tastes.settings)
    assert nothing_outside(examined, shadow, tastes.settings).passed


@pytest.mark.long
def test_shuffled_ids_are_refused(tastes: Shop) -> None:
    """Files whose ids lead to rows and back, but to other items than were learned of, do not agree with what was measured."""
    tastes.write()
    fitted = fit(tastes.settings, now=NOW)
    catalog = fitted.groups["catalog"]
    order = np.random.default_rng(1).permutation(len(tastes.items))
    names = [fitted.snapshot().catalog.item_id(row) for row in order.tolist()]
    fragments = [msgspec.json.encode({"item_id": name})[1:-1] for name in names]
    shuffled = {**catalog, **id_arrays(names, "item"), **blob_arrays(fragments, "fragment")}
    gate = SnapshotGate(tastes.settings, NOW, Steps())
    gate.judge(fitted)
    artifacts = tastes.folder / "artifacts"
    with pytest.raises(GateError, match="They are not what was measured"):
        publish(artifacts, fitted.manifest, {**fitted.groups, "catalog": shuffled}, None, gate.inspect)
    assert [path.name for path in artifacts.iterdir()] == [".lock"]


@pytest.mark.long
def test_a_live_snapshot_of_an_earlier_program_is_replaced(live: Shop) -> None:
    """After an update of the program the live snapshot cannot be read: the next training says so and goes live."""
    version = versions(live.folder / "artifacts")[-1]
    manifest = live.folder / "artifacts" / version / "manifest.json"
    manifest.write_text(manifest.read_text().replace(f'"format": {FORMAT}', f'"format": {FORMAT - 1}'))
    found = verdict(live)
    assert found.passed
    assert "made by an earlier version of this program" in found.paragraph


@pytest.mark.long
def test_force_publishes_and_says_so(live: Shop) -> None:
    """A reason lets everything through that a worker can open; the manifest keeps the reason and what failed."""
    shuffle_ids(live)
    live.toml += "[recommenders.item_item]\nneighbours = 1\n[recommenders.ease]\nneighbours = 1\n"
    found = verdict(live, force="new numbers, agreed with the shop")
    assert (found.passed, found.forced) == (False, "new numbers, agreed with the shop")
    assert [name for name, passed in named(found).items() if not passed] == ["past", "live recipe"]
    assert found.paragraph.startswith("Published by force (new numbers, agreed with the shop) although: Of what the live")
    assert len(versions(live.folder / "artifacts")) == 2
    assert summary_rows(found)[0] == ("gate", "forced: new numbers, agreed with the shop")
    files = len(read_manifest(live.folder / "artifacts", versions(live.folder / "artifacts")[-1]).files)
    assert ("  files", f"✓ All {files} files are as they were written.") in summary_rows(found)


@pytest.mark.long
def test_force_needs_a_reason(live: Shop) -> None:
    """An empty reason is none; one that was not needed is not recorded."""
    with pytest.raises(SettingsError, match="--force: a reason is needed"):
        verdict(live, force=" ")
    assert verdict(live, force="to be sure").forced is None


def test_a_fit_that_holds_the_window_is_refused(tastes: Shop) -> None:
    """Were events of the window in the tables that the measured fit read, it would be seen before anything is scored."""
    tastes.write()
    cut = split(tastes.settings, Fold(ago(days=28), 28), NOW)
    late = replace(cut, fold=Fold(ago(days=29), 28))
    shadow = Engine(learn(cut.prepared, tastes.settings, now=NOW).snapshot(), tastes.settings)
    found = [nothing_after(Examination(each, {}), shadow) for each in (cut, late)]
    assert [check.passed for check in found] == [True, False]
    assert "the fit that should end before 2026-03-02 12:00 holds later events" in found[1].said


def test_few_shoppers_are_not_judged(shop: Shop) -> None:
    """Where too few shoppers are known, or too few of them bought, accuracy is not judged, and the verdict says so."""
    shop.add(*busy_events())
    found = verdict(shop)
    assert found.passed
    assert "only 0 shoppers were known, 50 are needed" in found.paragraph
    assert named(found).keys() == {"items", "freshness", "accuracy", "files", "ids", "coverage"}


@pytest.mark.long
def test_few_buyers_are_not_judged(tastes: Shop) -> None:
    """Known shoppers who hardly buy still show whether the published arrays are those that were measured."""
    tastes.events = [
        row
        for row in tastes.events
        if row["event_type"] == "view" or row["timestamp"] < ago(days=30) or row["user_id"] < "shopper-040"
    ]
    found = verdict(tastes)
    assert "of the known shoppers only 40 bought in the last 28 days, 50 are needed" in found.paragraph
    checks = {"items", "freshness", "leak", "outside", "accuracy", "files", "ids", "coverage", "agreement"}
    assert named(found).keys() == checks


@pytest.mark.long
def test_a_live_recipe_of_another_program_is_not_compared(live: Shop) -> None:
    """What a later program can no longer fit does not stop it; popularity still has to be beaten."""
    artifacts = live.folder / "artifacts"
    version = current_version(artifacts) or ""
    manifest = read_manifest(artifacts, version)
    older = msgspec.structs.replace(manifest, recommenders={**manifest.recommenders, "magic": {}})
    (artifacts / version / "manifest.json").write_bytes(msgspec.json.encode(older))
    assert "The live settings can no longer be fitted" in verdict(live).paragraph


@pytest.mark.long
def test_a_live_snapshot_that_cannot_be_read_needs_force(live: Shop) -> None:
    """Nothing can be compared with a damaged snapshot: refused, unless somebody says why it is right."""
    artifacts = live.folder / "artifacts"
    flip(artifacts / (current_version(artifacts) or "") / "catalog" / "price.npy")
    assert "What is live cannot be compared with: snapshot" in refused(live)
    assert not verdict(live, force="the disk was broken").passed


@pytest.mark.long
def test_the_gate_leaves_the_rejects_as_they_are(tastes: Shop) -> None:
    """Reading the past a second time does not write the shop's list of bad rows anew."""
    tastes.add(*(event("x" * 257, "t0-00", at=ago(days=day)) for day in (0, 50)))
    verdict(tastes)
    assert pl.read_parquet(tastes.folder / "rejects" / "rejected_events.parquet").height == 2


def test_who_is_not_asked_learns_nothing(tastes: Shop) -> None:
    """Only recommenders that somebody listens to are fitted before the window; the others are as in a shop without events."""
    tastes.write()
    prepared = prepare(tastes.settings, now=NOW)
    whole, part = (learn(prepared, tastes.settings, now=NOW, asked=asked).groups for asked in (None, {"item_item"}))
    np.testing.assert_array_equal(whole["item_item"]["weights"], part["item_item"]["weights"])
    assert whole["trending"]["scores"].any()
    assert not part["trending"]["scores"].any()
    np.testing.assert_array_equal(whole["history"]["items"], part["history"]["items"])
