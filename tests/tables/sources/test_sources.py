"""Files of tables: formats, globs, and what is said of those that cannot be read."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from recsys.settings.load import parse_settings
from recsys.tables.shop import read_shop
from recsys.types import DataError
from tests.support.shops.shop_tables import an_event


@pytest.mark.parametrize("form", ["csv", "csv.gz", "tsv", "ndjson", "jsonl"])
def test_every_format_reads_the_same(tmp_path: Path, form: str) -> None:
    """CSV, TSV and NDJSON, packed or not, give what Parquet gives; ids keep their leading zeros."""
    rows = pl.DataFrame([an_event(user_id="007", price=2.5, order_id="1"), an_event(user_id="8", price=None, order_id=None)])
    text = rows.with_columns(pl.col("timestamp").dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    file = tmp_path / f"events.{form}"
    if form.endswith(("ndjson", "jsonl")):
        text.write_ndjson(file)
    else:
        packed = form.endswith("gz")
        text.write_csv(file, separator="\t" if form == "tsv" else ",", compression="gzip" if packed else "uncompressed")
    rows.write_parquet(tmp_path / "events.parquet")
    read_one = [
        read_shop(parse_settings(f'data.events.paths = ["{name}"]', tmp_path)) for name in (file.name, "events.parquet")
    ]
    assert_frame_equal(read_one[0].events.collect(), read_one[1].events.collect())


def test_files_of_a_table_may_differ_in_columns_and_format(tmp_path: Path) -> None:
    """A glob and a path together are one table; what a file lacks is null in its rows."""
    pl.DataFrame([an_event(order_id="o1")]).write_parquet(tmp_path / "events-1.parquet")
    pl.DataFrame([an_event(user_id=12)]).write_parquet(tmp_path / "events-2.parquet")
    (tmp_path / "late.csv").write_text("user_id;item_id;timestamp;event_type\n9;bed;2026-05-02;view\n")
    shop = read_shop(parse_settings('data.events.paths = ["events-*.parquet", "late.csv"]', tmp_path))
    events = shop.events.collect()
    assert events["user_id"].to_list() == ["anna", "12", "9"]
    assert events["order_id"].to_list() == ["o1", None, None]
    assert shop.counts["events"].read == 3


def test_findings_count_over_all_files_of_a_table(tmp_path: Path) -> None:
    """One rule broken in files with different columns is one finding; rows repeated across files are duplicates."""
    pl.DataFrame([an_event(price=-1.0), an_event(item_id="bed", price=1.0)]).write_parquet(tmp_path / "events-1.parquet")
    pl.DataFrame([an_event(price=-2.0, order_id="o"), an_event()]).write_parquet(tmp_path / "events-2.parquet")
    shop = read_shop(parse_settings('data.events.paths = ["events-*.parquet"]', tmp_path))
    [price, double] = shop.findings
    assert (price.rows, price.share, price.example) == (2, 0.5, "-1.0")
    assert (double.rows, double.file) == (1, str(tmp_path / "events-2.parquet"))


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("absent.parquet", None, ["there is no file", "absent.parquet", "data.events.paths"]),
        ("absent-*.parquet", None, ["no file matches", "absent-*.parquet"]),
        ("$NO_SUCH_VARIABLE/events.csv", None, ["NO_SUCH_VARIABLE", "not set"]),
        (".", None, ["is a folder"]),
        ("events.docx", b"x", ["events.docx", "known endings", ".parquet"]),
        ("events.xlsx", b"", ["events.xlsx is empty"]),
        ("events.csv", b"", ["events.csv is empty"]),
        (
            "events.csv",
            b"user_id,event_type\n",
            ["no column 'timestamp'", "data.events.columns", "it has: user_id, event_type"],
        ),
        ("events.csv", b"%PDF-1.7", ["events.csv is a PDF"]),
        ("events.csv", b"SQLite format 3\x00", ["is an SQLite database", "database = "]),
        ("events.csv", b"<html><body>Log in</body></html>", ["is a web page"]),
        ("events.json", b"user_id,timestamp\n", ["events.json does not start with {"]),
        ("events.xml", b"user_id,timestamp\n", ["events.xml does not start with <"]),
        ("events.parquet", b"PAR1 but cut off", ["events.parquet cannot be read"]),
        (
            "events.ndjson",
            b'{"user_id":"a","timestamp":1,"event_type":"view"}\n{"user_id":',
            ["line 2 is not a JSON object"],
        ),
    ],
)
def test_files_that_cannot_be_read_are_named(tmp_path: Path, name: str, text: bytes | None, words: list[str]) -> None:
    """The error names the file, what is wrong with it and, where it can, what to do."""
    if text is not None:
        (tmp_path / name).write_bytes(text)
    with pytest.raises(DataError) as caught:
        read_shop(parse_settings(f"data.events.paths = ['{name}']", tmp_path))
    assert [word for word in words if word not in str(caught.value)] == []


def test_csv_lines_with_too_many_fields_are_bad_rows(tmp_path: Path) -> None:
    """An unquoted separator shifts columns, so the line is left out, not guessed at."""
    lines = [f"a{at},2026-05-01,view" for at in range(30)]
    (tmp_path / "events.csv").write_text("\n".join(["user_id,timestamp,event_type", "bad,2026-05-01,view,more", *lines]))
    shop = read_shop(parse_settings('data.events.paths = ["events.csv"]', tmp_path))
    assert shop.counts["events"].kept == 30
    [found] = shop.findings
    assert (found.rule, found.example) == ("has as many fields as the first line", "xxxx")


def test_csv_of_other_cultures(tmp_path: Path) -> None:
    """Semicolons, a byte order mark, quoted separators and Windows line ends are read as they are meant."""
    text = '\ufeffuser_id;timestamp;event_type;query\r\n"a;b";2026-05-01;search;"say ""hi"""\r\n'
    (tmp_path / "events.csv").write_bytes(text.encode())
    shop = read_shop(parse_settings('data.events.paths = ["events.csv"]', tmp_path))
    assert shop.events.select("user_id", "query").collect().rows() == [("a;b", 'say "hi"')]


def test_ndjson_keys_may_appear_late_and_change_type(tmp_path: Path) -> None:
    """A key that only later lines have is read, and an id is text whether written as number or as text."""
    lines = ['{"user_id":1,"timestamp":1777600000,"event_type":"view"}'] * 20_000
    lines.append('{"user_id":"x","timestamp":"2026-05-01","event_type":"purchase","order_id":7}')
    (tmp_path / "events.ndjson").write_text("\n".join(lines))
    events = read_shop(parse_settings('data.events.paths = ["events.ndjson"]', tmp_path)).events.collect()
    assert events.select("user_id", "order_id").rows() == [("1", None), ("x", "7")]


def test_environment_variables_in_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`$NAME` stands for the folder that the environment names."""
    pl.DataFrame([an_event()]).write_parquet(tmp_path / "events.parquet")
    monkeypatch.setenv("SHOP_TABLES", str(tmp_path))
    shop = read_shop(parse_settings('data.events.paths = ["$SHOP_TABLES/events.parquet"]', tmp_path / "elsewhere"))
    assert shop.counts["events"].kept == 1
