"""Tables and queries of databases: read whole, never changed, and in words where something goes wrong."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from recsys.settings.load import parse_settings
from recsys.tables.shop import read_shop
from recsys.tables.sources import FILE, Source, open_table
from recsys.types import DataError, SettingsError
from tests.support.files import columns_of
from tests.support.servers.postgres import PASSWORD, PostgresServer, postgres_server
from training.__main__ import main

TABLE = """
CREATE SCHEMA catalog;
CREATE TABLE events AS SELECT 'u' || i % 100 AS user_id, lpad((i % 50)::text, 5, '0') AS item_id,
    timestamptz '2026-05-01 00:00:00+00' + i * interval '1 second' AS timestamp, 'view' AS event_type, (i % 7)::numeric / 3 AS price,
    gen_random_uuid() AS session_id, jsonb_build_object('a', i) AS extra, array[1.5::numeric] AS sizes,
    timestamp '2026-05-01' + i * interval '1 hour' AS local
    FROM generate_series(1, 200000) AS i;
CREATE TABLE catalog."Odd ""new"" items" AS SELECT 'A' AS item_id, 12.50::money AS price, 'x'::char(5) AS code,
    true AS available, date '2026-01-01' AS since;
CREATE SEQUENCE numbers;
"""
CRASH = """
CREATE FUNCTION crash(i int) RETURNS text LANGUAGE plpgsql AS $$BEGIN
    IF i = 150000 THEN COPY (SELECT 1) TO PROGRAM 'kill -9 $PPID'; END IF; RETURN 'x'; END$$;
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server with 200,000 events."""
    with postgres_server() as running:
        running.run(TABLE)
        yield running


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)


def asked(database: str, more: str, folder: Path, before: datetime | None = None, name: str = "events") -> Source:
    """Open one question to a database."""
    settings = parse_settings(f"[data.{name}]\ndatabase = '{database}'\n{more}", folder)
    [source] = open_table(settings, name, getattr(settings.data, name), before)
    return source


@pytest.mark.long
def test_a_table_of_postgresql_is_read(server: PostgresServer, tmp_path: Path) -> None:
    """All rows come, typed times as times, ids with their zeros, and types that tables do not know as text."""
    source = asked(server.address, 'table = "events"', tmp_path)
    frame = columns_of(source)
    assert frame.height == source.height() == 200_000
    assert frame.schema["timestamp"] == pl.Datetime("us", "UTC")
    first = frame.sort("timestamp").row(0, named=True)
    assert (first["user_id"], first["item_id"], first["extra"]) == ("u1", "00001", '{"a": 1}')
    assert first["price"].startswith("0.3333")
    assert len(first["session_id"]) == 36
    assert first[FILE] == "postgresql:///postgres, table events"
    assert datetime.fromtimestamp(source.written / 1e6, UTC).year >= 2026


def test_a_query_and_an_odd_name(server: PostgresServer, tmp_path: Path) -> None:
    """A query may end as people write it; names of tables are quoted, with their schema."""
    query = "WITH x AS (SELECT user_id, item_id FROM events) SELECT DISTINCT item_id FROM x -- all;\n;"
    assert columns_of(asked(server.address, f"query = '''{query}'''", tmp_path, name="items")).height == 50
    odd = columns_of(asked(server.address, "table = 'catalog.Odd \"new\" items'", tmp_path, name="items"))
    assert odd.drop(FILE, "__row").rows() == [("A", "12.50", "x", True, date(2026, 1, 1))]


def test_the_shop_is_read_from_a_database(server: PostgresServer, tmp_path: Path) -> None:
    """Events of a database go all the way, as do those of a file."""
    query = "SELECT user_id, item_id, timestamp, event_type, price FROM events WHERE price > 0"
    shop = read_shop(parse_settings(f"[data.events]\ndatabase = '{server.address}'\nquery = '''{query}'''", tmp_path))
    assert shop.counts["events"].kept == shop.events.select(pl.len()).collect().item() == 171_429
    assert shop.read_as["events"] == ("postgresql:///postgres, query: read from postgresql",)


@pytest.mark.parametrize(("column", "rows"), [("timestamp", 99), ("local", 2 * 24 - 1), ("extra", 200_000)])
def test_rows_that_are_not_needed_are_not_sent(server: PostgresServer, tmp_path: Path, column: str, rows: int) -> None:
    """Of a typed time only what is before a moment comes; a time without a zone has a day of slack, as it may be a local one."""
    before = datetime(2026, 5, 1, 0, 1, 40, tzinfo=UTC) if column == "timestamp" else datetime(2026, 5, 2, tzinfo=UTC)
    source = asked(server.address, f'table = "events"\ncolumns = {{ timestamp = "{column}" }}', tmp_path, before)
    assert source.height() == rows


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT * FROM nowhere", 'relation "nowhere" does not exist'),
        ("SELEC 1", "syntax error"),
        ("DELETE FROM events", "syntax error"),
        ("SELECT * FROM events) AS a; DROP TABLE events; SELECT 1 FROM (SELECT 1", "multiple commands|syntax error"),
        ("SELECT user_id::int AS user_id FROM events", "invalid input syntax for type integer: …"),
        ("SELECT 'kim@shop.invalid'::int AS user_id", "SQLSTATE 22P02"),
        (
            "SELECT CASE WHEN item_id = '00049' THEN pg_terminate_backend(pg_backend_pid()) END FROM events",
            "terminating connection",
        ),
        ("SELECT nextval('numbers') AS user_id FROM events", "read-only transaction"),
    ],
)
def test_what_goes_wrong_is_said_without_values(server: PostgresServer, tmp_path: Path, query: str, words: str) -> None:
    """Grammar, a value that does not fit, a server that goes away in the middle: one sentence, without a row or a password."""
    with pytest.raises(DataError, match=words) as caught:
        asked(server.address, f"query = '''{query}'''", tmp_path)
    stated = str(caught.value)
    assert "postgresql:///postgres cannot be read: " in stated
    assert "\n" not in stated
    assert [secret for secret in (PASSWORD, "kim", "u1", "00049") if secret in stated] == []


@pytest.mark.long
def test_a_server_that_dies_in_the_middle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is published of a table that came halfway: the job ends with one sentence."""
    settings = tmp_path / "settings.toml"
    query = "SELECT crash(i) AS user_id, 'view' AS event_type, now() AS timestamp FROM generate_series(1, 300000) AS i"
    with postgres_server() as server:
        server.run(CRASH)
        settings.write_text(f'[data.events]\ndatabase = "{server.address}"\nquery = "{query}"\n')
        assert main(["--settings", str(settings), "train"]) == 1
    assert "postgresql:///postgres cannot be read: " in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "artifacts").exists()


def test_a_wrong_password_is_never_printed(server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's refusal is repeated, the password is not; also where a variable holds the whole address."""
    monkeypatch.delenv("PGPASSWORD")
    address = server.address.replace("shop@", "shop:wrong-secret@")
    monkeypatch.setenv("SHOP_DATABASE", address)
    with pytest.raises(DataError, match="password authentication failed") as caught:
        asked("$SHOP_DATABASE", 'table = "events"', tmp_path)
    assert "wrong-secret" not in str(caught.value)
    monkeypatch.setenv("SHOP_DATABASE", address.replace("wrong-secret", PASSWORD))
    assert asked("$SHOP_DATABASE", 'table = "events"', tmp_path).height() == 200_000


@pytest.mark.parametrize(
    ("database", "more", "words"),
    [
        ("postgresql://shop:s3cret@host/name", 'table = "t"', "holds a password.*PGPASSWORD"),
        ("postgresql://host/name?password=s3cret", 'table = "t"', "holds a password.*PGPASSWORD"),
        ("mysql://shop@host/name", 'table = "t"', "mysql is not known; known are postgresql://, sqlite://, duckdb://"),
        ("shop.db", 'table = "t"', "an address without scheme"),
        ("postgresql://shop@host/name", "", "needs a `query` or a `table`"),
        ("postgresql://shop@host/name", 'table = "t"\nquery = "SELECT 1"', "needs a `query` or a `table`"),
        ("postgresql://shop@host/name", 'table = "t"\npaths = ["x.csv"]', "do not go together"),
    ],
)
def test_settings_that_do_not_fit_are_said(tmp_path: Path, database: str, more: str, words: str) -> None:
    """A password in the settings is refused and not repeated; so is what does not fit together."""
    with pytest.raises(SettingsError, match=words) as caught:
        asked(database, more, tmp_path)
    assert "s3cret" not in str(caught.value)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    """A closed door is a sentence."""
    with pytest.raises(DataError, match=r"postgresql://127.0.0.1/name cannot be read: .*refused"):
        asked("postgresql://shop@127.0.0.1:1/name", 'table = "t"', tmp_path)


def test_sqlite_gives_every_value_as_text(tmp_path: Path) -> None:
    """A column may hold numbers here and words there, and a time column is whatever the shop put in."""
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE events (user_id, price REAL, timestamp)")
        rows: list[tuple[Any, ...]] = [(7, 2.5, "2026-05-01"), *((f"00{at}", None, at) for at in range(3000))]
        connection.executemany("INSERT INTO events VALUES (?, ?, ?)", rows)
    connection.close()
    source = asked("sqlite:///shop.db", 'table = "events"', tmp_path, datetime(2026, 1, 1, tzinfo=UTC))
    frame = columns_of(source)
    assert frame["user_id"].to_list()[:3] == ["7", "000", "001"]
    assert frame["price"].to_list()[:2] == ["2.5", None]
    assert (frame.height, source.written) == (3001, (tmp_path / "shop.db").stat().st_mtime_ns // 1000)
    with pytest.raises(DataError, match="no such table"):
        asked("sqlite:///shop.db", 'table = "nowhere"', tmp_path)
    with pytest.raises(DataError, match=r"there is no file .*none\.db"):
        asked("sqlite:///none.db", 'table = "events"', tmp_path)


@pytest.mark.long
def test_duckdb_keeps_its_types(tmp_path: Path) -> None:
    """Lists and structs come as they are, and only rows before a moment; the file cannot be written to, nor another one read."""
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as connection:
        connection.execute(
            "CREATE TABLE events AS SELECT 'u' || range AS user_id, TIMESTAMPTZ '2026-05-01 00:00:00+00' + to_seconds(range) AS "
            "timestamp, [{'id': '00' || range, 'price': 1.25::DECIMAL(9, 2)}] AS items, uuid() AS session FROM range(300000)"
        )
    before = datetime(2026, 5, 2, tzinfo=UTC)
    source = asked("duckdb:///shop.duckdb", 'table = "events"', tmp_path, before)
    frame = columns_of(source)
    assert frame.height == 86_400
    assert frame["items"].to_list()[7][0]["id"] == "007"
    for query, words in (
        ("DELETE FROM events", "cannot be read"),
        ("SELECT * FROM read_csv('/etc/passwd')", "cannot be read"),
        ("SELECT user_id::int FROM events", "Could not convert string … to INT32"),
    ):
        with pytest.raises(DataError, match=words):
            asked("duckdb:///shop.duckdb", f"query = '''{query}'''", tmp_path)
