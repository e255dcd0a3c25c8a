"""The batch export: what the pipeline answers, for everybody or a list, in a file that is complete or not there."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recsys.engine.pipeline import Engine
from recsys.item_updates import ItemUpdate
from recsys.live.databases import log_in
from recsys.live.erasure import Erased, ErasureKeys
from recsys.messages.slots import SLOT_SECRETS, SlotKeys
from recsys.types import Bought, DataError, Event, Query, Send, SettingsError, SnapshotError
from tests.conftest import ITEMS, NOW, SETTINGS, Shop, ago, ask, busy_events, event, micros, shown
from training.__main__ import main
from training.batch.export import SCHEMA, Source, _answer_chunk, _open, export, flat_schema, read_users
from training.batch.tokens import export_tokens


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


@pytest.mark.long
@pytest.mark.parametrize(
    ("ending", "users", "query"),
    [
        ("parquet", None, {"limit": 12, "placement": "email_weekly"}),
        ("csv", [*BUYERS, "nobody", "a/b 👜"], {"limit": 3}),
        ("ndjson", [*BUYERS, "nobody"], {"limit": 5, "bought": Bought("only")}),
        ("csv", [*(f"nobody-{n}" for n in range(2_000)), *BUYERS], {"limit": 1}),  # on all cores
    ],
    ids=["parquet", "csv", "ndjson", "many"],
)
def test_export_is_what_the_pipeline_answers(
    published: tuple[Shop, Engine, str], tmp_path: Path, ending: str, users: list[str] | None, query: dict[str, Any]
) -> None:
    """In every format, for all users or for a list with strangers in it, the lines equal the pipeline's slates."""
    shop, engine, version = published
    out, stated = tmp_path / "deep" / f"out.{ending}", []
    counted = export(
        Source(shop.settings, shop.folder / "artifacts", version),
        Query(now=micros(NOW), **query),
        users,
        out,
        lambda *progress: stated.append(progress),
    )
    histories = engine.snapshot.histories.users
    asked = [histories.text(row) for row in range(len(histories))] if users is None else users
    frame = READ[ending](out)
    assert lines_of(frame) == expected(engine, asked, **query)
    assert frame.schema == SCHEMA
    scores = [score for user in asked for score in ask(engine, user, **query).scores]
    assert frame["score"].to_list() == pytest.approx(scores, rel=1e-5)
    assert counted == (len(asked), frame.height)
    assert stated[-1] == (len(asked), len(asked))
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_a_flat_file_has_a_line_per_user(published: tuple[Shop, Engine, str], tmp_path: Path) -> None:
    """Everybody asked for has one, with the same items as the long file beside one another and empty cells where there are none."""
    shop, engine, version = published
    source, query = (
        Source(shop.settings, shop.folder / "artifacts", version),
        Query(now=micros(NOW), limit=11, bought=Bought("only")),
    )
    users = [*BUYERS, "nobody", "a/b 👜"]
    assert export(source, query, users, tmp_path / "flat.csv", quiet, "flat") == (5, 5)
    flat = pl.read_csv(tmp_path / "flat.csv", schema=flat_schema(11))
    assert flat["user_id"].to_list() == users
    lines = []
    for row in flat.iter_rows(named=True):
        for place in range(1, 12):
            cells = {
                name: row[f"item_{place}_{name}"]
                for name in ("id", "title", "price", "currency", "url", "image_url", "reason")
            }
            if cells["id"] is None:
                assert set(cells.values()) == {None}
                continue
            item = engine.catalog.item(engine.catalog.row(cells["id"]))
            assert cells == {"id": item["item_id"], **{name: item.get(name, cells["reason"]) for name in list(cells)[1:]}}
            lines.append((row["user_id"], place, cells["id"], cells["reason"]))
    assert lines == [line[:4] for line in expected(engine, users, limit=11, bought=Bought("only"))]
    assert 0 < len(lines) < 5 * 11


def test_a_flat_file_says_what_the_log_says(tmp_path: Path) -> None:
    """Prices are those of now; whoever was forgotten has no line, and whoever gets nothing an empty one."""
    shop = Shop(
        tmp_path,
        [
            event("ana", "sofa-1", "purchase", ago(2)),
            event("ben", "lamp-1", "purchase", ago(2)),
            event("cleo", None, "home_view"),
        ],
    )
    version, erasure_keys = shop.publish(), ErasureKeys(["forget-secret-of-at-least-32-characters"])
    state = log_in(shop.settings.path(shop.settings.state.folder))
    state.add_items([ItemUpdate("sofa-1", price=12.5)], micros(NOW))
    state.forget([Erased(erasure_keys.sign("ben"), "ben")], micros(NOW))
    source = Source(shop.settings, shop.folder / "artifacts", version, live=True, erasure_keys=erasure_keys)
    query = Query(now=micros(NOW), bought=Bought("only"), limit=2)
    assert export(source, query, ["ana", "ben", "cleo"], tmp_path / "out.csv", quiet, "flat") == (3, 2)
    rows = (
        pl.read_csv(tmp_path / "out.csv", schema=flat_schema(2))
        .select("user_id", "item_1_id", "item_1_price", "item_2_id")
        .rows()
    )
    assert rows == [("ana", "sofa-1", 12.5, None), ("cleo", None, None, None)]


def test_a_flat_file_alters_no_words(shop: Shop, tmp_path: Path) -> None:
    """Cells are what the catalogue says, also where a spreadsheet would take them for a formula: message tools print them."""
    titles = ["=1+1", "+1", "-1", "@sum", "\tx", 'a "b", c', "ü\u2028👜", "'", ";", "null", ""]
    shop.items = [{**each, "title": title} for each, title in zip(ITEMS, titles, strict=False)]
    shop.add(event("ana", "soap-1", "view", ago(2)))
    source = Source(shop.settings, shop.folder / "artifacts", shop.publish())
    export(source, Query(now=micros(NOW), limit=11), ["ana"], tmp_path / "out.csv", quiet, "flat")
    with (tmp_path / "out.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    catalog = source.engine().catalog
    known = {catalog.item_id(each): catalog.item(each)["title"] or "" for each in range(len(titles))}
    assert {row[f"item_{place}_id"]: row[f"item_{place}_title"] for place in range(1, 12)} == known
    assert {"=1+1", "+1", "-1", "@sum", 'a "b", c'} <= set(known.values())


SLOT_SECRET = "slot-secret-of-at-least-32-characters"
WEEKLY = Send(send_id="weekly", placement="email_weekly", limit=3, expires_at=micros(NOW) + 1)


def test_tokens_name_the_send_and_the_user(tmp_path: Path) -> None:
    """A line for each user but the forgotten, with the token that slots open; nothing is pinned by that."""
    shop = Shop(tmp_path, [event(user, "sofa-1", "purchase", ago(2)) for user in ("ana", "ben", "cleo")])
    version, erasure_keys, keys = (
        shop.publish(),
        ErasureKeys(["forget-secret-of-at-least-32-characters"]),
        SlotKeys([SLOT_SECRET]),
    )
    state = log_in(shop.settings.path(shop.settings.state.folder))
    state.pins.declare(WEEKLY, micros(NOW))
    state.forget([Erased(erasure_keys.sign("ben"), "ben")], micros(NOW))
    source = Source(shop.settings, shop.folder / "artifacts", version, live=True, erasure_keys=erasure_keys)
    last = state.last()
    assert export_tokens(source, keys, "weekly", ago(0), None, tmp_path / "all.csv") == (3, 2)
    assert export_tokens(source, keys, "weekly", ago(0), ["nobody"], tmp_path / "some.ndjson") == (1, 1)
    found = dict(pl.read_csv(tmp_path / "all.csv").rows())
    assert {user: keys.open(token) for user, token in found.items()} == {user: ("weekly", user) for user in ("ana", "cleo")}
    assert keys.open(pl.read_ndjson(tmp_path / "some.ndjson")["token"].item()) == ("weekly", "nobody")
    assert state.last() == last


def test_tokens_from_the_command_line(
    make_shop_in: Callable[[str], Shop], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It needs the service's secrets and a send that is declared and has not expired, and takes no other question."""
    shop, out = make_shop_in("tokens"), tmp_path / "out.csv"
    shop.add(event("ana", "sofa-1", "view", ago(0)))
    shop.publish()
    (shop.folder / "settings.toml").write_text(SETTINGS)
    state = log_in(shop.settings.path(shop.settings.state.folder))
    state.pins.declare(WEEKLY, micros(NOW))
    state.pins.declare(Send(send_id="past", placement="home", limit=3, expires_at=micros(NOW)), micros(NOW))

    def run(*arguments: str) -> tuple[int, str]:
        code = main(["--settings", str(shop.folder / "settings.toml"), "export", "--out", str(out), *arguments])
        return code, " ".join(capsys.readouterr().err.split())

    monkeypatch.delenv(SLOT_SECRETS, raising=False)
    code, said = run("--tokens", "weekly")
    assert (code, f"--tokens 'weekly': needs {SLOT_SECRETS} in the environment" in said) == (1, True)
    monkeypatch.setenv(SLOT_SECRETS, SLOT_SECRET)
    for arguments, wrong in (
        (["unheard"], "--tokens 'unheard': this send is not declared"),
        (["past"], "--tokens 'past': this send has expired"),
        (["weekly", "--shape", "flat"], "--shape: does not go with --tokens"),
        (["weekly", "--as-of", "2026-01-01"], "--as-of: does not go with --tokens"),
        (["weekly", "--out", str(out), str(tmp_path / "b.csv")], "--out: 2 files; --tokens 'weekly' writes one"),
    ):
        code, said = run("--tokens", *arguments)
        assert (code, wrong in said, out.exists()) == (1, True, False), said
    assert run("--tokens", "weekly")[0] == 0
    assert pl.read_csv(out).rows() == [("ana", SlotKeys([SLOT_SECRET]).token("weekly", "ana"))]
    assert run("--shape", "flat", "--limit", "2")[0] == 0
    assert pl.read_csv(out).columns == flat_schema(2).names()


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
    version, erasure_keys = shop.publish(), ErasureKeys(["forget-secret-of-at-least-32-characters"])
    state = log_in(shop.settings.path(shop.settings.state.folder))
    live = Event(event_id="1", user_id="ana", event_type="purchase", item_id="lamp-2", timestamp=micros(NOW))
    state.add_events([live], micros(NOW))
    state.forget([Erased(erasure_keys.sign("ben"), "ben")], micros(NOW))
    source = Source(shop.settings, shop.folder / "artifacts", version, live=True, erasure_keys=erasure_keys)
    query = Query(now=micros(NOW), bought=Bought("only"))
    assert export(source, query, None, tmp_path / "out.csv", quiet) == (2, 2)
    lines = pl.read_csv(tmp_path / "out.csv").select("user_id", "item_id").rows()
    assert sorted(lines) == [("ana", "lamp-2"), ("ana", "sofa-1")]


def test_who_is_forgotten_while_an_export_runs_has_no_line(tmp_path: Path) -> None:
    """From the next two thousand users on; what items cost stays as it was when it began."""
    shop = Shop(tmp_path, [event(user, "sofa-1", "purchase", ago(2)) for user in ("ana", "ben")])
    version, keys = shop.publish(), ErasureKeys(["forget-secret-of-at-least-32-characters"])
    _open(Source(shop.settings, shop.folder / "artifacts", version, live=True, erasure_keys=keys))
    query = Query(now=micros(NOW))
    assert _answer_chunk(query, ["ana"]).users == ["ana"]
    state = log_in(shop.settings.path(shop.settings.state.folder))
    state.forget([Erased(keys.sign("ben"), "ben")], micros(NOW))
    assert _answer_chunk(query, ["ana", "ben"]).users == ["ana"]


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
    files = [str(tmp_path / name) for name in ("then.parquet", "new.parquet")]
    arguments = ["--settings", str(known.folder / "settings.toml"), "export", "--out", *files]
    assert main([*arguments, "--as-of", moment.isoformat(), "--limit", "6", "--bought", "allow", "hide_days:3650"]) == 0
    engine = Engine(past.fit(before=moment).snapshot(), past.settings)
    histories = engine.snapshot.histories.users
    users = [histories.text(row) for row in range(len(histories))]
    frame = pl.read_parquet(tmp_path / "then.parquet")
    assert lines_of(frame) == expected(engine, users, now=moment, limit=6, bought=Bought("allow"))
    hidden = expected(engine, users, now=moment, limit=6, bought=Bought("hide_days", 3650))
    assert lines_of(pl.read_parquet(files[1])) == hidden
    assert "newcomer" not in users
    assert not (known.folder / "artifacts").exists()


@pytest.mark.parametrize("more", [["--bought", "allow", "hide"], ["--out", "a.csv", "a.csv", "--bought", "allow", "hide"]])
def test_each_kind_of_list_has_a_file(more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Several ways to treat what shoppers own need as many files, each of its own."""
    assert main(["export", *more]) != 0
    assert "name a file of its own for each --bought" in " ".join(capsys.readouterr().err.split())


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


def test_nobody_gets_no_line(published: tuple[Shop, Engine, str], tmp_path: Path) -> None:
    """Of a list that names nobody among others, only the others are written."""
    shop, _, version = published
    source = Source(shop.settings, shop.folder / "artifacts", version)
    users = ["guest", "user-3", "Undefined"]
    assert export(source, Query(now=micros(NOW), limit=2), users, tmp_path / "some.csv", quiet, "flat") == (3, 1)
    assert pl.read_csv(tmp_path / "some.csv", schema=flat_schema(2))["user_id"].to_list() == ["user-3"]
