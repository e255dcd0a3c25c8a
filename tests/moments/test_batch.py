"""Moments as a file: the same as a poll finds, on all cores; of the past, and on trial."""

from __future__ import annotations

import dataclasses
import multiprocessing
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from recsys.disk import locked
from recsys.live.databases import log_in
from recsys.live.erasure import Erased, ErasureKeys
from recsys.live.moments import Moment
from recsys.live.sqlite.log import FILE
from recsys.snapshot.store import current_version
from tests.conftest import NOW, ago, event, micros
from tests.support.shops.moment_shop import MomentShop, Worker
from tests.web.serving.test_present import Counted
from training.__main__ import main
from training.batch.export import Progress
from training.batch.moments import Place, Written, _Spool, _write_down, write_moments

CARTS = [event(f"user-{n}", "lamp-3", "cart_add", ago(minutes=60 + n)) for n in range(12)]
WORDS = '[messages.words."Home"]\ncopy = "home"\n'


@pytest.fixture
def shop(tmp_path: Path) -> MomentShop:
    """A published shop in which twelve carts were left."""
    made = MomentShop(tmp_path, *CARTS, event("clock", None, "home_view", NOW), more=WORDS)
    made.publish()
    (tmp_path / "settings.toml").write_text(made.toml)
    return made


def moments(shop: MomentShop, out: str, *more: str, kind: str = "cart") -> int:
    """Run the command."""
    settings = ["--settings", str(shop.folder / "settings.toml")]
    return main([*settings, "moments", "--kind", kind, "--out", str(shop.folder / out), *more])


def notified(shop: MomentShop, kind: str = "cart") -> list[Any]:
    """The lines that the log has."""
    return [msgspec.json.decode(line) for _, line in log_in(shop.folder / "state").moments.lines(kind, 0, 1000)]


def test_a_batch_writes_what_a_poll_finds(shop: MomentShop) -> None:
    """The file has a row for each line that stands in the log then, and neither a poll nor another batch finds it again."""
    assert moments(shop, "carts.parquet") == 0
    file = pl.read_parquet(shop.folder / "carts.parquet")
    lines = notified(shop)
    assert len(lines) == 12
    expected = [
        {
            **{name: line[name] for name in ("moment_id", "user_id", "kind", "anchors", "lifecycle", "channels", "copy")},
            "items": [item["item_id"] for item in line["slate"]["items"]],
        }
        for line in lines
    ]
    assert file.select(expected[0].keys()).to_dicts() == expected
    assert {"home"} == set(file["copy"])
    assert (micros(NOW) - file["since"].dt.epoch("us").to_numpy() >= 3600e6).all()
    assert Worker(shop.engine(), shop.folder).find("cart") == 0
    assert moments(shop, "again.csv") == 0
    assert pl.read_csv(shop.folder / "again.csv").height == 0


@pytest.mark.parametrize("ending", ["parquet", "csv", "ndjson"])
def test_a_trial_writes_nothing_down(shop: MomentShop, ending: str) -> None:
    """With --dry-run every format says who is due, and a poll finds them still."""
    assert moments(shop, f"carts.{ending}", "--dry-run") == 0
    read: Any = {"parquet": pl.read_parquet, "csv": pl.read_csv, "ndjson": pl.read_ndjson}[ending]
    file = read(shop.folder / f"carts.{ending}")
    assert sorted(file["user_id"]) == sorted(f"user-{n}" for n in range(12))
    anchors = file["anchors"].to_list()
    assert anchors == ['["lamp-3"]' if ending == "csv" else ["lamp-3"]] * 12
    assert notified(shop) == []
    assert Worker(shop.engine(), shop.folder).find("cart") == 12


def test_the_past_is_only_looked_at(shop: MomentShop) -> None:
    """--as-of says who was due then, whatever they were told since, and writes nothing down; kinds that are off may be asked."""
    assert moments(shop, "carts.parquet") == 0
    before = notified(shop)
    moment = (NOW - timedelta(minutes=25)).isoformat()
    assert moments(shop, "past.parquet", "--as-of", moment) == 0
    past = pl.read_parquet(shop.folder / "past.parquet")
    assert sorted(past["user_id"]) == sorted(f"user-{n}" for n in range(12))
    assert set(past["moment_id"]) == {line["moment_id"] for line in before}
    assert moments(shop, "offers.parquet", "--as-of", moment, kind="offer") == 0
    assert notified(shop) == before


@pytest.mark.parametrize(
    ("kind", "out", "said"),
    [("offer", "x.parquet", "moments.kinds"), ("nonsense", "x.parquet", "cart"), ("cart", "x.xlsx", ".parquet")],
)
def test_what_cannot_be_asked_is_said(
    shop: MomentShop, kind: str, out: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A kind that is off or unknown, and a file of another format, name what is allowed."""
    assert moments(shop, out, kind=kind) == 1
    assert said in capsys.readouterr().err


# ---- nothing is written down before the file is safe


def place_of(shop: MomentShop) -> Place:
    """Where the command looks."""
    version = current_version(shop.folder / "artifacts")
    assert version is not None
    return Place(shop.settings, shop.folder / "artifacts", version, shop.folder / "state")


def run(shop: MomentShop, out: Path, progress: Progress = lambda _done, _total: None) -> Written:
    """Look for left carts, and write them down."""
    return write_moments(place_of(shop), ["cart"], NOW, None, out, progress, only_look=False)


def ids(out: Path) -> list[str]:
    """The moments of a file."""
    return [str(each) for each in pl.read_ndjson(out)["moment_id"]]


def test_a_run_that_fails_on_the_way_loses_nothing(shop: MomentShop) -> None:
    """A full disk before the file is whole: there is no file, nobody was notified, and the next run finds everybody."""

    def fail(_done: int, _total: int) -> None:
        raise OSError("No space left on device")

    out = shop.folder / "due.ndjson"
    with pytest.raises(Exception, match="No space left"):
        run(shop, out, fail)
    assert [file.name for file in shop.folder.glob("*due*")] == []
    assert notified(shop) == []
    assert run(shop, out) == Written(12, 12, 12)
    assert ids(out) == [line["moment_id"] for line in notified(shop)]


def _run_in_another_process(shop: MomentShop, out: Path) -> None:
    run(shop, out)


@pytest.mark.long
def test_a_run_that_is_killed_before_it_writes_down_is_repeated(shop: MomentShop) -> None:
    """Killed after the file is whole and before the log: the file has everybody, and the next one the same moments once more."""
    out, again = shop.folder / "due.ndjson", shop.folder / "again.ndjson"
    Worker(shop.engine(), shop.folder).post(event("user-3", None, "home_view", ago(days=1)))  # there is a log
    with locked(shop.folder / "state" / f"{FILE}.lock"):
        other = multiprocessing.get_context("spawn").Process(target=_run_in_another_process, args=(shop, out))
        other.start()
        while other.is_alive() and not out.exists():
            other.join(0.05)
        other.kill()
        other.join()
    assert len(ids(out)) == 12
    assert notified(shop) == []
    assert run(shop, again) == Written(12, 12, 12)
    assert ids(again) == ids(out)
    assert run(shop, again) == Written(12, 0, 0)


@pytest.mark.long
def test_a_file_has_one_moment_of_a_person(shop: MomentShop) -> None:
    """A run over all kinds has at most one moment of each person, the most urgent, also where a day may have several."""
    settings = shop.settings
    more = msgspec.structs.replace(settings, moments=msgspec.structs.replace(settings.moments, per_day=3))
    place, out = dataclasses.replace(place_of(shop), settings=more), shop.folder / "all.ndjson"
    kinds = settings.moments.kinds
    found = write_moments(place, kinds, NOW, None, out, lambda _done, _total: None, only_look=False)
    file = pl.read_ndjson(out)
    assert file["user_id"].n_unique() == file.height == found.due == found.notified > 12
    assert set(file.filter(pl.col("user_id").is_in([f"user-{n}" for n in range(12)]))["kind"]) == {"cart"}


def test_who_is_forgotten_meanwhile_is_not_written_down(shop: MomentShop) -> None:
    """Between the look at people and the end of the run, when what was found is written down."""
    keys, forgot = ErasureKeys(["o" * 32]), list[int]()

    def forget(done: int, total: int) -> None:
        if not forgot:
            log_in(shop.folder / "state").forget([Erased(keys.sign("user-3"), "user-3", until=micros(NOW))], micros(NOW))
        forgot.append(done)

    settings = shop.settings
    place = Place(settings, settings.artifacts, current_version(settings.artifacts) or "", shop.folder / "state", keys)
    found = write_moments(place, ("cart",), NOW, None, shop.folder / "carts.csv", forget, only_look=False)
    assert (found.due, found.notified) == (12, 11)
    assert "user-3" not in {line["user_id"] for line in notified(shop)}


def test_the_forgotten_are_read_once_a_run(shop: MomentShop, tmp_path: Path) -> None:
    """However many chunks are written down, and again only where somebody is forgotten meanwhile."""
    keys, log = ErasureKeys(["o" * 32]), Counted(tmp_path / "log")
    place = Place(shop.settings, shop.settings.artifacts, "", tmp_path / "log", keys)
    found = [Moment(name, name, "cart", 5, (0, 2**60), b"{}") for name in ("ann", "ben", "zoe")]
    with (tmp_path / "spool").open("w+b") as file:
        spool = _Spool(file)
        for each in found:
            spool.put([each])
        assert _write_down(place, log, spool, 5, tmp_path / "carts.csv") == 3
    assert log.looks == 1
