"""The schema of live state: made by `migrate`, refused while it is not what the program knows."""

from __future__ import annotations

import shutil
import threading
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from recsys.item_updates import ItemUpdate
from recsys.live.postgres import migrations
from recsys.live.postgres.address import Address
from recsys.live.postgres.log import PostgresLog
from recsys.live.postgres.migrations import migrate
from recsys.settings.load import load_settings
from recsys.types import Event, Link, StateError
from tests.live.test_campaigns import campaign
from tests.support.servers.postgres import PASSWORD, PostgresServer
from training.__main__ import main

MIGRATIONS = Path(migrations.__file__).with_name("migrations")
EVERY = sorted(each.name for each in MIGRATIONS.glob("*.sql"))
ROWS = """
INSERT INTO events (seq, event_id, user_id, event_type, timestamp, received_at, item_id) VALUES (1, 'e', 'ana', 3, 5, 6, 'sofa-1');
INSERT INTO links VALUES (2, 'browser', 'ana', 5, 6);
INSERT INTO item_updates VALUES (3, 'sofa-1', NULL, 3, NULL, 6);
INSERT INTO sends (seq, send_id, placement, max_items, template, expires_at, received_at) VALUES (4, 'spring', 'home', 6, NULL, 99, 6);
UPDATE sequence SET last = 4, commits = 4 WHERE name = 'log';
"""
"""A row of each kind that the first release had, as it wrote them."""


def test_a_schema_is_made_once(postgres: PostgresServer) -> None:
    """Of many who migrate at once, one makes the tables, and the others find them."""
    address, taken = Address(postgres.url, "made_once"), list[str]()
    threads = [threading.Thread(target=lambda: taken.extend(migrate(address))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken == EVERY


def test_without_tables_it_says_what_to_run(postgres: PostgresServer) -> None:
    """A log whose schema was not made is refused in words, and served once it is there."""
    address = Address(postgres.url, "not_there")
    with closing(PostgresLog(address)) as state:
        with pytest.raises(StateError, match="has no tables yet; run `make migrate` first") as raised:
            state.last()
        assert PASSWORD not in str(raised.value)
    migrate(address)
    with closing(PostgresLog(address)) as state:
        assert state.last() == 0


@pytest.mark.parametrize("name", [name for name in EVERY if name > "0006"])
def test_each_migration_says_whether_nodes_go_on(name: str) -> None:
    """A migration is additive, or tells that nodes of the version before have to be stopped first."""
    said = (MIGRATIONS / name).read_text().splitlines()
    assert ("-- additive" in said) != any(line.startswith("-- stops older nodes: ") for line in said)


def test_nodes_go_on_beside_what_a_newer_version_added(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node of the version before reads and writes after an additive migration; it does not migrate, and stops at one that is not."""
    address = Address(postgres.url, "upgraded")
    migrate(address)
    newer = shutil.copytree(MIGRATIONS, tmp_path / "migrations")
    (newer / "0901_new_things.sql").write_text(
        "-- Things of a newer version.\n-- additive\nCREATE TABLE things (seq bigint);"
    )
    with closing(PostgresLog(address)) as old:
        with monkeypatch.context() as patch:
            patch.setattr(migrations, "_FOLDER", newer)
            assert migrate(address) == ["0901_new_things.sql"]
        assert old.last() == 0
    with closing(PostgresLog(address)) as started_again:
        assert started_again.last() == 0
    with pytest.raises(StateError, match="a newer version"):
        migrate(address)
    postgres.run("INSERT INTO upgraded.migrations (number, name) VALUES (999, 'another.sql')")
    with closing(PostgresLog(address)) as stopped, pytest.raises(StateError, match="a newer version"):
        stopped.last()


def test_a_newer_schema_is_refused(postgres: PostgresServer) -> None:
    """A program neither uses nor changes tables that a newer one made."""
    address = Address(postgres.url, "newer")
    migrate(address)
    postgres.run("INSERT INTO newer.migrations (number, name) VALUES (999, 'later.sql')")
    with closing(PostgresLog(address)) as state, pytest.raises(StateError, match=r"has migration 999.*a newer version"):
        state.last()
    with pytest.raises(StateError, match="has migration 999"):
        migrate(address)


@pytest.mark.parametrize("known", range(1, len(EVERY)))
def test_rows_of_every_released_schema_are_found_again(postgres: PostgresServer, known: int) -> None:
    """A database of each earlier schema keeps its rows and numbers, and takes what is new."""
    schema = f"released_{known}"
    address, scripts = Address(postgres.url, schema), [(MIGRATIONS / name).read_text() for name in EVERY[:known]]
    done = "".join(f"INSERT INTO migrations (number, name) VALUES ({n + 1}, '{EVERY[n]}');" for n in range(known))
    table = "CREATE TABLE migrations (number integer PRIMARY KEY, name text, taken_at timestamptz NOT NULL DEFAULT now());"
    opening = f"CREATE SCHEMA {schema}; SET search_path = {schema};"
    postgres.run(opening + table + "".join(scripts) + done + ROWS)
    with (
        closing(PostgresLog(address)) as state,
        pytest.raises(StateError, match=f"has migration {known} of {len(EVERY)}; run"),
    ):
        state.last()
    assert migrate(address) == EVERY[known:]
    with closing(PostgresLog(address)) as state:
        assert [each.item_id for each in state.events_of("ana", 0, 10)] == ["sofa-1"]
        assert [each.row for each in state.news(0).shared] == [
            Link("browser", "ana", 5),
            ItemUpdate("sofa-1", None, 3.0, None),
        ]
        send = state.pins.send("spring")
        assert send is not None
        assert send.limit == 6
        assert state.add_events(
            [Event(event_id="later", user_id="ana", event_type="view", timestamp=8, item_id="sofa-1")], 9
        ) == [True]
        assert state.last() == 5
        assert state.campaigns.put("spring", campaign(1), 9) is True


def test_a_shop_has_a_schema_of_its_own(postgres: PostgresServer) -> None:
    """Two shops in one database see nothing of each other."""
    addresses = [Address(postgres.url, "shop_one"), Address(postgres.url, "shop_two")]
    for each in addresses:
        migrate(each)
    with closing(PostgresLog(addresses[0])) as one, closing(PostgresLog(addresses[1])) as two:
        one.reach(7)
        assert (one.last(), two.last()) == (7, 0)


def test_the_command_migrates_what_the_environment_names(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`migrate` takes the address of RECSYS_STATE_DATABASE; its password is used, and stands in no settings."""
    monkeypatch.setenv("RECSYS_STATE_DATABASE", postgres.url)
    monkeypatch.delenv("RECSYS_SETTINGS", raising=False)
    assert main(["migrate"]) == 0
    assert ", ".join(EVERY) in capsys.readouterr().out
    assert main(["migrate"]) == 0
    assert "has every migration" in capsys.readouterr().out
    assert PASSWORD not in repr(load_settings())
    with psycopg.connect(postgres.url) as connection:
        assert connection.execute("SELECT last FROM recsys.sequence WHERE name = 'log'").fetchall() == [(0,)]


@pytest.mark.parametrize("command", [["backup", "--to", "copy"], ["restore", "--from", "copy"]])
def test_copies_of_files_are_not_taken_for_the_database(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`backup` and `restore` know files only; with a database they stop and name its tools."""
    monkeypatch.delenv("RECSYS_SETTINGS", raising=False)
    monkeypatch.setenv("RECSYS_STATE_DATABASE", "postgresql://db/shop")
    assert main(command) == 1
    assert "pg_dump" in " ".join(capsys.readouterr().err.split())


def test_files_need_no_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a database the command has nothing to do, and says so."""
    monkeypatch.delenv("RECSYS_SETTINGS", raising=False)
    monkeypatch.delenv("RECSYS_STATE_DATABASE", raising=False)
    assert main(["migrate"]) == 0
    assert "nothing to do" in capsys.readouterr().out
