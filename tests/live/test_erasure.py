"""Forgetting: what a keyed hash tells, and that nothing of a forgotten shopper is read, counted or written down again."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recsys.live.databases import log_in
from recsys.live.erasure import FORGET_SECRETS, Erased, ErasureKeys, Tombstone, Tombstones
from recsys.settings.load import parse_settings
from recsys.tables.shop import ShopTables, read_shop
from recsys.types import Event, Link, SettingsError
from tests.conftest import NOW, SETTINGS, Shop, busy_events, micros
from tests.support.shops.shop_tables import NOON, an_event
from training.__main__ import main
from training.job.job import fit

OLD, NEW = "o" * 32, "n" * 40
ERASURE_KEYS = ErasureKeys([OLD])


def forget(folder: Path, *ids: str, at: datetime = NOON, erasure_keys: ErasureKeys = ERASURE_KEYS) -> None:
    """Write tombstones, and nothing else."""
    log_in(folder / "state").forget([Erased(erasure_keys.sign(each), "nobody") for each in ids], micros(at))


def read(folder: Path, events: list[dict[str, Any]], *, strict: bool = True, **tables: list[dict[str, Any]]) -> ShopTables:
    """Write tables and read them with the secret."""
    toml = ""
    for name, rows in {"events": events, **tables}.items():
        pl.DataFrame(rows, infer_schema_length=None).write_parquet(folder / f"{name}.parquet")
        toml += f'data.{name}.paths = ["{name}.parquet"]\n'
    return read_shop(parse_settings(toml, folder), strict=strict, erasure_keys=ERASURE_KEYS)


def after(**duration: float) -> datetime:
    """So long after noon, when the tests' shoppers were forgotten."""
    return NOON + timedelta(**duration)


def owners(shop: ShopTables) -> list[tuple[str, str | None]]:
    """User and item of every event."""
    return shop.events.select("user_id", "item_id").collect().rows()


def test_a_subject_names_its_secret_and_hides_the_id() -> None:
    """Eight hex digits for the secret, thirty-two for the id under it; the same id under another secret is another subject."""
    both = ErasureKeys([NEW, OLD])
    assert re.fullmatch(r"[0-9a-f]{8}:[0-9a-f]{32}", both.sign("anna"))
    assert both.hashes("anna") == (ErasureKeys([NEW]).sign("anna"), ERASURE_KEYS.sign("anna"))
    assert both.sign("anna") == both.hashes("anna")[0]
    subjects = {each for user in ("anna", "bea", "", "ü/🛋️", "\ud800") for each in both.hashes(user)}
    assert len(subjects) == 10
    assert both.knows(ERASURE_KEYS.sign("anna"))
    assert not ERASURE_KEYS.knows(both.sign("anna"))


def test_secrets_come_from_the_environment() -> None:
    """Separated by commas or spaces, the first one signs; without any there is no oblivion."""
    read = ErasureKeys.from_environment({FORGET_SECRETS: f" {NEW}, {OLD}\n"}, ())
    assert read is not None
    assert read.hashes("anna") == ErasureKeys([NEW, OLD]).hashes("anna")
    assert ErasureKeys.from_environment({}, ()) is None
    assert ErasureKeys.from_environment({FORGET_SECRETS: " , "}, ()) is None


@pytest.mark.parametrize("secret", ["s" * 31, "ü" * 32])
def test_weak_secrets_are_refused(secret: str) -> None:
    """Too short, or not ASCII: the error says which and how long, and never shows it."""
    with pytest.raises(SettingsError, match=f"{FORGET_SECRETS}: secret 2 has {len(secret)} characters") as caught:
        ErasureKeys([NEW, secret])
    assert secret not in str(caught.value)
    with pytest.raises(SettingsError, match="holds no secret"):
        ErasureKeys([])


def test_the_latest_tombstone_counts() -> None:
    """Whoever is forgotten twice is forgotten up to the second time, under whichever secret."""
    both = ErasureKeys([NEW, OLD])
    stones = [
        Tombstone(ERASURE_KEYS.sign("anna"), 5),
        Tombstone(ERASURE_KEYS.sign("anna"), 3),
        Tombstone(both.sign("anna"), 4),
    ]
    assert Tombstones(both, stones).at("anna") == 5
    assert Tombstones(both, stones).at("bea") is None
    assert len(Tombstones(both, stones)) == 2
    assert Tombstones(None, []).at("anna") is None


def test_a_tombstone_may_cover_a_period() -> None:
    """Both ends belong to it; periods that touch are one; only a period that reaches back for ever leaves no past at all."""
    anna, tablet = ERASURE_KEYS.sign("anna"), ERASURE_KEYS.sign("tablet")
    stones = Tombstones(
        ERASURE_KEYS,
        [
            Tombstone(anna, 5),
            Tombstone(tablet, 19, 10),
            Tombstone(tablet, 29, 25),
            Tombstone(tablet, 24, 20),
            Tombstone(tablet, 60, 50),
        ],
    )
    assert [moment for moment in (9, 10, 19, 29, 30, 49, 50, 60, 61) if stones.cover("tablet", moment)] == [
        10,
        19,
        29,
        50,
        60,
    ]
    assert stones.spans("tablet") == [(10, 29), (50, 60)]
    assert (stones.at("tablet"), stones.at("anna"), stones.spans("bea")) == (None, 5, [])
    assert (stones.ends("tablet"), stones.ends("anna")) == ([10, 50], [])
    assert (
        Tombstones(ERASURE_KEYS, [Tombstone(tablet, 19, 10)]).fingerprint
        != Tombstones(ERASURE_KEYS, [Tombstone(tablet, 19)]).fingerprint
    )


def test_a_tombstone_without_its_secret_is_an_error() -> None:
    """Reading on would bring somebody back, so the error says which secret is missing."""
    name = ERASURE_KEYS.sign("anna").partition(":")[0]
    for erasure_keys in (None, ErasureKeys([NEW])):
        with pytest.raises(
            SettingsError, match=rf"{FORGET_SECRETS} lacks the secrets {name} .* 1 ids were forgotten; restart with"
        ):
            Tombstones(erasure_keys, [Tombstone(ERASURE_KEYS.sign("anna"), 5)])


def test_everything_up_to_the_moment_is_gone_and_what_follows_is_new(tmp_path: Path) -> None:
    """The moment itself belongs to what is forgotten; nothing of it is in the counts."""
    forget(tmp_path, "anna")
    times = [after(days=-1), NOON, after(microseconds=1)]
    rows = [an_event(item_id=str(at), timestamp=time) for at, time in enumerate(times)]
    shop = read(tmp_path, [*rows, an_event(user_id="bea")])
    assert owners(shop) == [("anna", "2"), ("bea", "sofa")]
    counts = shop.counts["events"]
    assert (counts.read, counts.kept, counts.left_out, counts.rejected, counts.duplicates) == (2, 2, 0, 0, 0)


def test_whoever_was_forgotten_has_no_row_among_the_users(tmp_path: Path) -> None:
    """Their row of the user table is not there, so their id is no known one either."""
    forget(tmp_path, "anna")
    shop = read(tmp_path, [an_event()], users=[{"user_id": "anna"}, {"user_id": "bea"}])
    assert shop.users["user_id"].to_list() == ["bea"]
    assert shop.counts["users"].read == 1


def test_an_anonymous_id_that_is_forgotten(tmp_path: Path) -> None:
    """Rows under it vanish; what a user did who only carries it is that user's, and stays."""
    forget(tmp_path, "passer")
    rows = [
        an_event(user_id="passer", anonymous_id=None),
        an_event(anonymous_id="passer"),
        an_event(anonymous_id="other", item_id="lamp"),
    ]
    assert [each["anonymous_id"] for each in read(tmp_path, rows).events.collect().to_dicts()] == ["passer", "other"]


def test_what_an_anonymous_id_did_for_a_forgotten_user_is_gone(tmp_path: Path) -> None:
    """As long as it was theirs: from their link (the first reaches back for ever) to the next one, and to the moment."""
    forget(tmp_path, "anna")
    links = [
        {"anonymous_id": "passer", "user_id": "anna", "timestamp": after(hours=-4)},
        {"anonymous_id": "passer", "user_id": "bea", "timestamp": after(hours=-2)},
        {"anonymous_id": "browser", "user_id": "bea", "timestamp": after(hours=-4)},
        {"anonymous_id": "browser", "user_id": "anna", "timestamp": after(hours=-2)},
    ]
    times = {"ever": -9, "linked": -4, "last": -2.001, "next": -2, "new": 1}
    rows = [
        an_event(user_id=user, item_id=item, timestamp=after(hours=hours))
        for user in ("passer", "browser")
        for item, hours in times.items()
    ]
    shop = read(tmp_path, rows, identities=links)
    assert owners(shop) == [
        ("bea", "next"), ("bea", "new"), ("bea", "ever"), ("bea", "linked"), ("bea", "last"), ("bea", "new"),
    ]  # fmt: skip
    assert shop.links["user_id"].to_list() == ["bea", "bea"]
    assert (shop.counts["identities"].read, shop.counts["events"].read) == (2, 6)


def test_an_id_that_was_forgotten_for_a_period(tmp_path: Path) -> None:
    """Of the tables too only the rows of that time vanish: the tablet's other events and links stay, and are not given to whoever had
    it before. A row without a time is left out where the period reaches back for ever, an event always."""
    since, until = micros(after(hours=-4)), micros(after(hours=-2))
    log_in(tmp_path / "state").forget([Erased(ERASURE_KEYS.sign("tablet"), "tablet", since, until)], micros(NOON))
    links: list[dict[str, Any]] = [
        {"anonymous_id": "tablet", "user_id": "bea", "timestamp": None},
        {"anonymous_id": "tablet", "user_id": "carl", "timestamp": after(hours=-2)},
    ]
    times = {"before": -5, "first": -4, "last": -2.001, "next": -2}
    rows = [an_event(user_id="tablet", item_id=item, timestamp=after(hours=hours)) for item, hours in times.items()]
    shop = read(tmp_path, [*rows, an_event(user_id="tablet", timestamp=None)], identities=links, strict=False)
    assert owners(shop) == [("bea", "before"), ("carl", "next")]
    assert shop.links["user_id"].to_list() == ["bea", "carl"]
    assert (shop.counts["identities"].read, shop.counts["events"].read) == (2, 2)
    later = read(tmp_path, [*rows, an_event(user_id="tablet", item_id="later")], identities=links[:1])
    assert owners(later) == [("bea", "before"), ("tablet", "next"), ("tablet", "later")]


def test_a_refused_link_forgets_nobody(tmp_path: Path) -> None:
    """Two known users are never joined, so one of them is not forgotten with the other."""
    forget(tmp_path, "anna")
    links = [{"anonymous_id": "bea", "user_id": "anna", "timestamp": after(hours=-2)}]
    shop = read(tmp_path, [an_event(user_id="bea")], identities=links, users=[{"user_id": "bea"}])
    assert owners(shop) == [("bea", "sofa")]


def test_a_link_made_after_the_forgetting_stays(tmp_path: Path) -> None:
    """It begins the new history; what the anonymous id did before the moment is not brought back by it."""
    forget(tmp_path, "anna")
    links = [{"anonymous_id": "passer", "user_id": "anna", "timestamp": after(hours=2)}]
    rows = [an_event(user_id="passer", item_id=item, timestamp=after(hours=at)) for item, at in (("old", -1), ("new", 1))]
    shop = read(tmp_path, rows, identities=links)
    assert (owners(shop), shop.links.height) == ([("anna", "new")], 1)


def test_a_link_without_a_time_is_gone(tmp_path: Path) -> None:
    """It held since ever, so it is older than the moment."""
    forget(tmp_path, "anna")
    links: list[dict[str, Any]] = [
        {"anonymous_id": "passer", "user_id": "anna", "timestamp": None},
        {"anonymous_id": "g", "user_id": "b", "timestamp": NOON},
    ]
    shop = read(tmp_path, [an_event(user_id="passer", timestamp=after(hours=1))], identities=links)
    assert (owners(shop), shop.links["user_id"].to_list()) == ([("passer", "sofa")], ["b"])


def test_live_rows_are_forgotten_like_those_of_tables(tmp_path: Path) -> None:
    """Events that arrive late for a forgotten shopper, and links, vanish from the log's part too."""
    log = log_in(tmp_path / "state")
    late = [
        Event(event_id="1", user_id="anna", event_type="view", timestamp=micros(NOON), item_id="late"),
        Event(event_id="2", user_id="passer", event_type="view", timestamp=micros(NOON), item_id="linked"),
        Event(event_id="3", user_id="anna", event_type="view", timestamp=micros(NOON) + 1, item_id="new"),
    ]
    log.add_links([Link("passer", "anna", micros(NOON) - 1), Link("other", "bea", micros(NOON))], micros(NOON))
    forget(tmp_path, "anna")
    log.add_events(late, micros(NOON))
    shop = read(tmp_path, [an_event(user_id="bea")])
    assert owners(shop) == [("bea", "sofa"), ("anna", "new")]
    assert shop.links["anonymous_id"].to_list() == ["other"]
    assert shop.counts["live"].read == 1


def rejected(folder: Path, name: str = "events") -> list[str]:
    """Items or users of the rejects file; none without one."""
    file = folder / "rejects" / f"rejected_{name}.parquet"
    if not file.exists():
        return []
    frame = pl.read_parquet(file)
    return frame["item_id" if name == "events" else "user_id"].to_list()


def test_rejects_never_hold_the_forgotten(tmp_path: Path) -> None:
    """Bad rows of theirs are not written, those without a time neither; nor any that does not say whose it is."""
    rows = [
        an_event(item_id="theirs", event_type="?"),
        an_event(item_id="no time", timestamp=None),
        an_event(item_id="after", event_type="?", timestamp=after(hours=1)),
        an_event(item_id="bea's", user_id="bea", event_type="?"),
        an_event(item_id="nobody's", user_id=None, event_type="?"),
        an_event(item_id="unusable", user_id="x" * 300),
    ]
    read(tmp_path, rows, strict=False)
    assert rejected(tmp_path) == [row["item_id"] for row in rows]
    forget(tmp_path, "anna")
    shop = read(tmp_path, rows, strict=False)
    assert rejected(tmp_path) == ["after", "bea's"]
    assert (shop.counts["events"].read, shop.counts["events"].rejected) == (4, 4)
    assert not [each for each in shop.findings if "theirs" in each.example]


def test_rejects_of_a_csv_line_whose_fields_moved(tmp_path: Path) -> None:
    """A line with too many fields may hold a name anywhere: it is counted, and not written while somebody is forgotten."""
    (tmp_path / "events.csv").write_text(
        "user_id,item_id,timestamp,event_type\n"
        "bea,good,2026-05-01T12:00:00Z,view\n"
        "Smith, anna,moved,2026-05-01T12:00:00Z,view\n"
        "bea,bad,2026-05-01T12:00:00Z,look\n"
    )
    settings = parse_settings('data.events.paths = ["events.csv"]', tmp_path)
    forget(tmp_path, "anna")
    shop = read_shop(settings, strict=False, erasure_keys=ERASURE_KEYS)
    assert (rejected(tmp_path), shop.counts["events"].rejected) == (["bad"], 2)


def test_rejects_of_other_tables(tmp_path: Path) -> None:
    """Users and identities are told by their ids; items name nobody and are written as ever."""
    forget(tmp_path, "anna")
    read(
        tmp_path,
        [an_event(user_id="bea")],
        strict=False,
        users=[{"user_id": "bea", "locale": "de"}, {"user_id": "x" * 300, "locale": None}],
        identities=[
            {"anonymous_id": "passer", "user_id": "anna", "timestamp": NOON},
            {"anonymous_id": "passer", "user_id": None, "timestamp": NOON},
        ],
        items=[{"item_id": None, "title": "A"}, {"item_id": "sofa", "title": "B"}],
    )
    assert sorted(file.name for file in (tmp_path / "rejects").iterdir()) == ["rejected_items.parquet"]


def test_nothing_is_read_without_the_secret(tmp_path: Path) -> None:
    """With a tombstone in the log and no secret the tables are not read at all."""
    forget(tmp_path, "anna")
    pl.DataFrame([an_event()]).write_parquet(tmp_path / "events.parquet")
    settings = parse_settings('data.events.paths = ["events.parquet"]', tmp_path)
    with pytest.raises(SettingsError, match=FORGET_SECRETS):
        read_shop(settings)


COMMANDS = (
    ["validate"],
    ["train"],
    ["train", "--as-of", "2026-03-31"],
    ["evaluate", "--days", "2"],
    ["tune", "--only", "blend", "--trials", "1"],
    ["report"],
    ["export", "--as-of", "2026-03-31", "--out", "OUT"],
    ["purge"],
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_hands_the_secret_down(
    busy_shop: Shop, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each command that reads the tables needs the secret of the tombstones, and with it forgets."""
    busy_shop.toml = SETTINGS + "[evaluation]\ndays = 2\nfolds = 1\nresamples = 100\n[gate]\nleast_users = 5\n"
    busy_shop.publish()
    file = busy_shop.folder / "settings.toml"
    file.write_text(busy_shop.toml)
    forget(busy_shop.folder, "user-3", at=NOW)
    view = Event(event_id="1", user_id="user-4", event_type="view", timestamp=micros(NOW) - 1, item_id="sofa-1")
    log_in(busy_shop.folder / "state").add_events([view], micros(NOW))
    arguments = [str(busy_shop.folder / "out.csv") if each == "OUT" else each for each in command]
    monkeypatch.delenv(FORGET_SECRETS, raising=False)
    assert main(["--settings", str(file), *arguments]) == 1
    assert FORGET_SECRETS in capsys.readouterr().err
    monkeypatch.setenv(FORGET_SECRETS, OLD)
    done = main(["--settings", str(file), *arguments])
    said = capsys.readouterr()
    assert (done, said.err.strip()) == (1 if command == ["purge"] else 0, "")
    assert "user-3" not in said.out
    if command == ["train"]:
        assert re.search(r"live events folded in +│? *1 ", " ".join(said.out.split()))
    if command[0] == "export":
        assert "user-3" not in (busy_shop.folder / "out.csv").read_text().split()


def test_a_snapshot_made_after_the_forgetting_knows_nothing_of_them(busy_shop: Shop) -> None:
    """Neither history nor counts; everybody else is there."""
    busy_shop.write()
    forget(busy_shop.folder, "user-3", at=NOW)
    fitted = fit(busy_shop.settings, now=NOW, erasure_keys=ERASURE_KEYS)
    assert len(fitted.snapshot().histories.of("user-3")) == 0
    theirs = [each for each in busy_events() if each["user_id"] == "user-3"]
    assert fitted.manifest.counts["events"] == len(busy_events()) - len(theirs)
    assert fitted.manifest.counts["users"] == 29
