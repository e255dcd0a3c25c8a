"""The schema of live state: made by `migrate`, refused while it is not what the program knows."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from recsys.live.postgres import migrations
from recsys.live.postgres.address import Address
from recsys.live.postgres.log import PostgresLog
from recsys.live.postgres.migrations import migrate
from recsys.settings.load import load_settings
from recsys.types import StateError
from tests.support.postgres import PASSWORD, PostgresServer
from training.__main__ import main

EVERY = sorted(each.name for each in Path(migrations.__file__).with_name("migrations").glob("*.sql"))


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


def test_a_newer_schema_is_refused(postgres: PostgresServer) -> None:
    """A program neither uses nor changes tables that a newer one made."""
    address = Address(postgres.url, "newer")
    migrate(address)
    postgres.run("INSERT INTO newer.migrations (number, name) VALUES (999, 'later.sql')")
    with closing(PostgresLog(address)) as state, pytest.raises(StateError, match=r"has migration 999.*a newer version"):
        state.last()
    with pytest.raises(StateError, match="has migration 999"):
        migrate(address)


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
