"""The batch export: what the pipeline answers, for everybody or a list, in a file that is complete or not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recsys.data.forgetting import Oblivion
from recsys.data.state import State
from recsys.pipeline import Engine
from recsys.types import Bought, DataError, Event, Query, SettingsError, SnapshotError
from tests.conftest import ITEMS, NOW, SETTINGS, Shop, ago, ask, busy_events, event, micros, shown
from training.__main__ import main
from training.export import SCHEMA, Source, export, read_users


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shop, Engine, str]:
    """The busy shop, published once, with its settings file."""
    shop = Shop(tmp_path_factory.mktemp("published"), busy_events())
    (shop.folder / "settings.toml").write_text(SETTINGS)
    engine = shop.published_engine()
    return shop, engine, engine.snapshot.version


def quiet(_done: int, _total: int) -> None:
    """Show no progress."""


READ: dict[str, Callable[[Path], pl.DataFrame]] = {
    "parquet": pl.read_parquet,
    "csv": lambda file: pl.read_csv(file, schema=SCHEMA),
    "ndjson": lambda file: pl.read_ndjson(file, schema=SCHEMA),
}


def expected(engine: Engine, users: list[str], **query: Any) -> list[tuple[Any, ...]]:
    """The same lines asked of the pipeline one by one, without scores."""
    lines = []
    for user in users:
        slate = ask(engine, user, **query)
        for at, (item, reason) in enumerate(zip(shown(engine, slate), slate.reasons, strict=True)):
            lines.append((user, at + 1, item, reason.text, slate.strategy, reason.code))
    return lines


def lines_of(frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    """An export's lines without scores."""
    return frame.select("user_id", "rank", "item_id", "reason", "strategy", "reason_code").rows()


BUYERS = [f"user-{number}" for number in (3, 0, 29)]


@pytest.mark.parametrize(
    ("ending", "users", "query"),
    [
        ("parquet", None, {"limit": 12, "placement": "email_weekly"}),
        ("csv", [*BUYERS, "nobody", "a/b 👜"], {"limit": 3}),
        ("ndjson", [*BUYERS, "nobody"], {"limit": 5, "bought": Bought("only")}),
    ],
)
def test_export_is_what_the_pipeline_answers(
    published: tuple[Shop, Engine, str], tmp_path: Path, ending: str, users: list[str] | None, query: dict[str, Any]
) -> None:
    """In every format, for all users or for a list with strangers in it, the lines equal the pipeline's slates."""
    shop, engine, version = published
    out, told = tmp_path / "deep" / f"out.{ending}", []
    counted = export(
        Source(shop.settings, shop.folder / "artifacts", version),
        Query(now=micros(NOW), **query),
        users,
        out,
        lambda *progress: told.append(progress),
    )
    histories = engine.snapshot.histories.users
    asked = [histories.text(row) for row in range(len(histories))] if users is None else users
    frame = READ[ending](out)
    assert lines_of(frame) == expected(engine, asked, **query)
    assert frame.schema == SCHEMA
    scores = [score for user in asked for score in ask(engine, user, **query).scores]
    assert frame["score"].to_list() == pytest.approx(scores, rel=1e-5)
    assert counted == (len(asked), frame.height)
    assert told[-1] == (len(asked), len(asked))
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_lists_are_complete_and_without_repeats(published: tuple[Shop, Engine, str], tmp_path: Path) -> None:
    """Everybody has every eligible item once, ranked 1, 2, 3 …: what was bought is hidden unless asked otherwise."""
    shop, engine, version = published
    query = Query(now=micros(NOW), limit=100, bought=Bought("allow"))
    export(Source(shop.settings, shop.folder / "artifacts", version), query, None, tmp_path / "all.parquet", quiet)
    frame = pl.read_parquet(tmp_path / "all.parquet")
    available = {item["item_id"] for item in ITEMS if item.get("available", True)}
    for (_,), own in frame.group_by("user_id"):
        assert set(own["item_id"]) == available
        assert own["rank"].to_list() == list(range(1, len(available) + 1))
    assert frame["user_id"].n_unique() == len(engine.snapshot.histories.users) == 30


def test_the_log_counts_and_the_forgotten_are_left_out(tmp_path: Path) -> None:
    """What happened since the snapshot shapes the lines; whoever was forgotten has none."""
    shop = Shop(tmp_path, [event("ana", "sofa-1", "purchase", ago(2)), event("ben", "lamp-1", "purchase", ago(2))])
    version, oblivion = shop.publish(), Oblivion(["forget-secret-of-at-least-32-characters"])
    state = State(shop.settings.path(shop.settings.state.folder))
    live = Event(event_id="1", user_id="ana", event_type="purchase", item_id="lamp-2", timestamp=micros(NOW))
    state.add_events([live], micros(NOW))
    state.forget([oblivion.sign("ben")], ["ben"], micros(NOW))
    source = Source(shop.settings, shop.folder / "artifacts", version, live=True, oblivion=oblivion)
    query = Query(now=micros(NOW), bought=Bought("only"))
    assert export(source, query, None, tmp_path / "out.csv", quiet) == (2, 2)
    lines = pl.read_csv(tmp_path / "out.csv").select("user_id", "item_id").rows()
    assert sorted(lines) == [("ana", "lamp-2"), ("ana", "sofa-1")]


def test_an_empty_shop_exports_an_empty_table(shop: Shop, tmp_path: Path) -> None:
    """Without users the file has its columns and no lines."""
    version = shop.publish()
    counted = export(
        Source(shop.settings, shop.folder / "artifacts", version), Query(now=micros(NOW)), None, tmp_path / "x.csv", quiet
    )
    assert counted == (0, 0)
    assert (tmp_path / "x.csv").read_text().split() == [",".join(SCHEMA)]


@pytest.mark.parametrize("wrong", [SnapshotError, KeyboardInterrupt])
def test_an_unfinished_file_is_never_there(
    published: tuple[Shop, Engine, str], tmp_path: Path, wrong: type[BaseException]
) -> None:
    """If anything goes wrong or somebody interrupts, the earlier file stays as it was and nothing half-done is left."""
    shop, _, version = published
    out = tmp_path / "out.ndjson"
    out.write_text("earlier")

    def stop(_done: int, _total: int) -> None:
        raise wrong

    with pytest.raises(wrong):
        export(Source(shop.settings, shop.folder / "artifacts", version), Query(now=micros(NOW)), BUYERS, out, stop)
    assert [path.name for path in tmp_path.iterdir()] == ["out.ndjson"]
    assert out.read_text() == "earlier"


def test_what_cannot_be_exported(published: tuple[Shop, Engine, str], tmp_path: Path) -> None:
    """Another ending, an unknown placement or a missing snapshot stop the export at once, saying what is allowed."""
    shop, _, version = published
    artifacts, query = shop.folder / "artifacts", Query(now=micros(NOW))
    with pytest.raises(DataError, match=r"--out .*out\.xlsx: the ending must be one of \.parquet, \.csv, \.ndjson"):
        export(Source(shop.settings, artifacts, version), query, None, tmp_path / "out.xlsx", quiet)
    with pytest.raises(SettingsError, match="placement: 'nowhere' is unknown; there are bestsellers, "):
        export(
            Source(shop.settings, artifacts, version), Query(now=1, placement="nowhere"), None, tmp_path / "out.csv", quiet
        )
    with pytest.raises(SnapshotError, match=r"snapshot 2020: manifest\.json cannot be read"):
        export(Source(shop.settings, artifacts, "2020"), query, None, tmp_path / "out.csv", quiet)
    assert list(tmp_path.iterdir()) == []


def test_as_of_does_not_know_what_came_after(make_shop_in: Callable[[str], Shop], tmp_path: Path) -> None:
    """--as-of answers as it would have then: events at that moment or later change nothing, and nothing is published."""
    moment = ago(days=3)
    later = [event(f"user-{n}", "bag-2", "purchase", ago(days=2), order_id=f"late-{n}") for n in range(10)]
    later += [event("newcomer", "bag-2", "purchase", moment), event("user-1", "sofa-1", "cart_add", ago(days=2))]
    known, past = make_shop_in("known"), make_shop_in("past")
    known.add(*busy_events(), *later)
    past.add(*(row for row in busy_events() if row["timestamp"] < moment))
    known.write()
    (known.folder / "settings.toml").write_text(SETTINGS)
    arguments = ["--settings", str(known.folder / "settings.toml"), "export", "--out", str(tmp_path / "then.parquet")]
    assert main([*arguments, "--as-of", moment.isoformat(), "--limit", "6", "--bought", "allow"]) == 0
    engine = Engine(past.fit(before=moment).snapshot(), past.settings)
    histories = engine.snapshot.histories.users
    users = [histories.text(row) for row in range(len(histories))]
    frame = pl.read_parquet(tmp_path / "then.parquet")
    assert lines_of(frame) == expected(engine, users, now=moment, limit=6, bought=Bought("allow"))
    assert "newcomer" not in users
    assert not (known.folder / "artifacts").exists()


def test_read_users_keeps_order_and_drops_repeats(tmp_path: Path) -> None:
    """A list of users is a text file, or a Parquet or CSV file with user_id; ids stay text, each is asked once."""
    ids = ["007", "a/b", "ü 👜", "007", "12"]
    (tmp_path / "users.txt").write_text("\n".join(ids) + "\n\n")
    pl.DataFrame({"other": [1] * 5, "user_id": ids}).write_csv(tmp_path / "users.csv")
    pl.DataFrame({"user_id": ids}).write_parquet(tmp_path / "users.parquet")
    pl.DataFrame({"user_id": [7, 12, 7]}).write_parquet(tmp_path / "numbers.parquet")
    for ending in ("txt", "csv", "parquet"):
        assert read_users(tmp_path / f"users.{ending}") == ["007", "a/b", "ü 👜", "12"]
    assert read_users(tmp_path / "numbers.parquet") == ["7", "12"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("users.csv", b"name\nann\n", "cannot be read as a list of user ids"),
        ("users.parquet", b"no parquet", "cannot be read as a list of user ids"),
        ("users.txt", b"ann\n" + b"x" * 257, "has 257 bytes in UTF-8, more than 256"),
        ("users.csv", b"user_id,n\nann,1\n,2\n", "is empty"),
        ("users.txt", b"ann\tbob", "holds a control character"),
        ("users.txt", b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_read_users_says_what_is_wrong(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    """A file that is no list of user ids is refused with its name and what is wrong."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"--users .*{name}: .*{said}"):
        read_users(tmp_path / name)


def test_read_users_of_a_missing_file(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(DataError, match=r"--users .*none\.txt: cannot be read"):
        read_users(tmp_path / "none.txt")
