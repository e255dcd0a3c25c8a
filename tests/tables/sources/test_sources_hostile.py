"""Files that are wrong on purpose or by accident: a finding or one sentence, never a traceback, in bounded memory."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from polars.exceptions import PanicException, PolarsError

from recsys.settings.load import parse_settings
from recsys.tables.reader import map_table, reading
from recsys.tables.shop import read_shop
from recsys.tables.sources import FILE, MORE, ROW, Source, unreadable
from recsys.types import DataError
from tests.support.files import COLUMNS, CSV, columns_of, open_files, rows_of, written

MEGABYTE = 1 << 20
MOST_MEMORY = 1500
"""Megabytes that reading any file may take, beside the libraries."""


def test_a_separator_that_changes_is_a_bad_row(tmp_path: Path) -> None:
    """Lines whose fields are separated by another sign are bad rows, also in a table that needs only its first column."""
    items = "item_id,title,price\n" + "a,Sofa,1\n" * 30 + "b;Bed;2\n" + "c, d | e\n"
    written(tmp_path, "items.csv", items)
    written(tmp_path, "events.csv", CSV)
    stated = 'data.events.paths = ["events.csv"]\ndata.items.paths = ["items.csv"]'
    shop = read_shop(parse_settings(stated, tmp_path))
    assert shop.items["item_id"].to_list() == ["a", "c"]
    [found] = [each for each in shop.findings if each.table == "items" and each.level == "rejected"]
    assert (found.rule, found.rows) == ("has as many fields as the first line", 1)


@pytest.mark.long
@pytest.mark.parametrize("form", ["csv", "json", "parquet", "txt"])
def test_a_million_columns_are_refused(tmp_path: Path, form: str) -> None:
    """More columns than any table has are counted and refused before they take memory."""
    names = [f"c{at}" for at in range(20_000 if form == "parquet" else 1_000_000)]
    if form == "parquet":
        pl.DataFrame({name: [1] for name in names}).write_parquet(tmp_path / "wide.parquet")
    elif form == "json":
        written(tmp_path, "wide.json", json.dumps(dict.fromkeys(names, 1)))
    else:
        written(tmp_path, f"wide.{form}", f"{','.join(names)}\n{','.join('1' for _ in names)}\n")
    with pytest.raises(DataError, match=r"10,000"):
        open_files(tmp_path, f"wide.{form}", "skip_lines = 0")


@pytest.mark.long
@pytest.mark.parametrize("name", ["one.csv", "one.json", "one.xml", "one.csv.gz"])
def test_a_cell_of_100_megabytes_is_refused(tmp_path: Path, name: str) -> None:
    """A cell without end takes no memory: the line, object or element is refused."""
    cell = b"x" * (100 * MEGABYTE)
    content = {
        "one.csv": b"user_id,query\na," + cell + b"\n",
        "one.json": b'[{"user_id": "' + cell + b'"}]',
        "one.xml": b"<a><b>" + cell + b"</b><b/></a>",
        "one.csv.gz": gzip.compress(b"user_id,query\na," + cell + b"\n", 1),
    }[name]
    with pytest.raises(DataError, match=r"16 MB|cut off, broken or too large"):
        open_files(tmp_path, written(tmp_path, name, content))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (CSV.encode() + b'm3,"12,2026-06-01,view,1\n', r"has a quote in line 5 that is not closed"),
        (
            CSV.encode() + b'm3,"a" b,2026-06-01,view,1\nm4,c,2026-06-01,view,1\n',
            r"has a quote in line 5 that is not closed, or",
        ),
        (bytes(5000), "full of zero bytes"),
        (b"\x00" * 100 + CSV.encode(), "full of zero bytes"),
        (b"", "is empty"),
        (b"\n\n\n", "has no line of column names"),
        (b"\xff\xfe", "has no line of column names"),
        (b"\xff\xfea", "cannot be read whole as UTF-16"),
    ],
)
def test_broken_text_is_a_sentence(tmp_path: Path, content: bytes, words: str) -> None:
    """Quotes, zero bytes, nothing at all: one sentence, wherever it shows."""
    written(tmp_path, "events.csv", content)
    with pytest.raises(DataError, match=words) as caught:
        read_shop(parse_settings('data.events.paths = ["events.csv"]', tmp_path))
    assert "\n" not in str(caught.value)
    assert "m3" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_lines_of_old_macs_may_hold_line_feeds_in_quotes(tmp_path: Path, encoding: str) -> None:
    """Excel for Macs ends lines with a carriage return and breaks lines inside of cells with a line feed."""
    content = f'{COLUMNS},query\rm1,"a\nb",2026-06-01,view,1,Größe\rm2,"c ""\n"" d",2026-06-01,view,1,Maß\r'
    rows = rows_of(open_files(tmp_path, written(tmp_path, "events.csv", content.encode(encoding))))
    assert [row[:2] for row in rows] == [("m1", "a\nb"), ("m2", 'c "\n" d')]


def test_damage_to_the_columns_of_a_parquet_file_is_no_other_encoding(tmp_path: Path) -> None:
    """Names that are no UTF-8 are damage, and nothing that a setting mends."""
    pl.DataFrame({"user_id": ["a"]}).write_parquet(tmp_path / "events.parquet")
    content = (tmp_path / "events.parquet").read_bytes()
    with pytest.raises(DataError, match="it is no whole Parquet file; export it again"):
        open_files(tmp_path, written(tmp_path, "events.parquet", content.replace(b"user_id", b"\xffser_id")))


def test_a_few_zero_bytes_are_a_finding(tmp_path: Path) -> None:
    """A zero byte in an id makes a bad row, as it is no id; one in a text stays there."""
    lines = "".join(f"u{at},i,2026-06-01,view,1\n" for at in range(1000))
    written(tmp_path, "events.csv", f"{COLUMNS}\n{lines}u\x00,i,2026-06-01,view,1\n")
    shop = read_shop(parse_settings('data.events.paths = ["events.csv"]', tmp_path))
    assert (shop.counts["events"].kept, shop.counts["events"].rejected) == (1000, 1)


def test_taken_names_are_refused(tmp_path: Path) -> None:
    """A column named as those that sources add would hide them."""
    for name in (ROW, FILE, MORE):
        with pytest.raises(DataError, match=f"has a column '{name}', a name that is taken"):
            open_files(tmp_path, written(tmp_path, "events.csv", f"user_id,{name}\na,1\n"))


BOUNDED = """
import sys
from pathlib import Path
from recsys.settings.load import parse_settings
from recsys.tables.sources import open_table
from recsys.types import DataError
settings = parse_settings(f"data.events.paths = ['{sys.argv[1]}']", Path.cwd())
try:
    for source in open_table(settings, "events", settings.data.events):
        print(source.height())
except DataError as error:
    print(error)
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak.split()[1]) // 1024)
"""


@pytest.mark.long
@pytest.mark.parametrize("form", ["utf-16.csv", "json", "gz", "keys.ndjson"])
def test_memory_is_bounded(tmp_path: Path, form: str) -> None:
    """A file of some hundred megabytes that is rewritten, unpacked or refused takes no memory of its size."""
    lines = f"{COLUMNS}\n" + "user,item,2026-06-01,view,1\n" * 6_000_000
    if form == "utf-16.csv":
        written(tmp_path, f"events.{form}", lines.encode("utf-16"))
    elif form == "json":
        row = '{"user_id": "a", "item_id": "b", "price": 12.5}'
        written(tmp_path, f"events.{form}", f"[{','.join([row] * 1_000_000)}]")
    elif form == "gz":
        written(tmp_path, f"events.csv.{form}", gzip.compress(lines.encode(), 1))
    else:
        written(tmp_path, f"events.{form}", "".join(f'{{"k{at}": {{"v{at}": 1}}}}\n' for at in range(1_000_000)))
    command = [sys.executable, "-c", BOUNDED, f"events*.{form}"]
    stated = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": ":".join(sys.path)}, capture_output=True, text=True, timeout=300
    )
    assert stated.returncode == 0, stated.stderr
    assert int(stated.stdout.split()[-1]) < MOST_MEMORY


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=12)
SAMPLES = {
    "events.csv": CSV.encode(),
    "utf16.csv": CSV.encode("utf-16"),
    "events.csv.gz": gzip.compress(CSV.encode()),
    "events.ndjson": b'{"user_id": "a", "items": [{"id": 1}], "n": null}\n{"user_id": 2, "items": []}\n',
    "events.json": b'[{"user_id": "a", "items": [{"id": 1}]}, {"user_id": 2, "items": []}]',
    "feed.xml": b"<rss><channel><item><id>1</id></item><item><id>2</id></item></channel></rss>",
}
MUTATIONS = st.lists(
    st.tuples(st.sampled_from("rid"), st.integers(0, 10_000), st.binary(max_size=4)), min_size=1, max_size=6
)


@pytest.mark.long
@given(name=st.sampled_from(sorted(SAMPLES)), mutations=MUTATIONS)
@example(name="feed.xml", mutations=[("r", 1, b":")])
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_mutated_files_are_read_or_refused(tmp_path: Path, name: str, mutations: list[tuple[str, int, bytes]]) -> None:
    """Bytes replaced, inserted or dropped anywhere give rows or one sentence, and no other error."""
    content = bytearray(SAMPLES[name])
    for kind, place, piece in mutations:
        at = place % (len(content) + 1)
        content[at : at + (len(piece) if kind == "r" else 0 if kind == "i" else 1 + len(piece))] = (
            b"" if kind == "d" else piece
        )
    written(tmp_path, name, bytes(content))
    with suppress(DataError):
        sources = open_files(tmp_path, name)
        try:
            rows_of(sources)
        except PolarsError as error:
            stated = str(unreadable("events", sources, error))
            assert ("\n" in stated, "0071" in stated) == (False, False)


@pytest.mark.long
@given(rows=st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=8), separator=st.sampled_from(",;\t|"))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read(tmp_path: Path, rows: list[tuple[str, str, str]], separator: str) -> None:
    """Whatever texts a table holds, quoted as they should be, every encoding and packing gives them back."""
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "query"], orient="row")
    text = frame.write_csv(separator=separator, quote_style="always")
    kept = [tuple(cell or None for cell in row) for row in rows]
    for name, content in (
        ("events.csv", text.encode()),
        ("wide.csv", text.encode("utf-16")),
        ("packed.csv.gz", gzip.compress(text.encode())),
    ):
        read = rows_of(open_files(tmp_path, written(tmp_path, name, content)))
        assert [tuple(cell or None for cell in row) for row in read] == kept


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.long
@given(rows=st.lists(st.dictionaries(st.sampled_from(["user_id", "x", "y"]), JSON, min_size=1), min_size=1, max_size=6))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_any_json_is_a_table(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    """However values of a key differ from row to row, all rows come, with the same columns spread over lines or in an array.

    They have an id, as rows do: an object that is nothing but a list is an envelope.
    """
    rows = [{"id": str(at), **row} for at, row in enumerate(rows)]
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    stated = [
        open_files(tmp_path, written(tmp_path, name, text))
        for name, text in (("a.ndjson", lines), ("a.json", json.dumps(rows)))
    ]
    first, second = (columns_of(source) for [source] in stated)
    assert first.height == len(rows)
    assert first.drop(FILE).equals(second.drop(FILE))
    texts = [row.get("x") for row in rows]
    if all(text is None or isinstance(text, str) for text in texts) and "x" in first.columns:
        assert first["x"].to_list() == texts


def test_a_reader_that_gives_up_on_a_damaged_file_is_a_sentence() -> None:
    """Polars panics at some damaged pages of Parquet; the file is named, and nothing of the panic is repeated."""
    source = Source(("events.parquet",), pl.LazyFrame(), {}, 0, False, 0, ())
    with pytest.raises(DataError, match=r"^events: events.parquet cannot be read: it is damaged; export it again$"):  # noqa: SIM117
        with reading("events", [source]):
            raise PanicException("called unwrap() on kim@shop.invalid")


@pytest.mark.parametrize("name", ["events.csv", "events.ndjson", "events.parquet"])
def test_names_that_no_line_can_hold_are_shortened(tmp_path: Path, name: str) -> None:
    """A column whose name is a text of 10^5 characters: every message stays readable, and the others are read."""
    names = ["user_id", "item_id", "timestamp", "a" * 100_000, "a" * 99_999 + "b"]
    frame = pl.DataFrame([["u1", "A", "2026-06-01", "1", "2"]], schema=names, orient="row")
    if name.endswith("csv"):
        frame.write_csv(tmp_path / name)
    elif name.endswith("parquet"):
        frame.write_parquet(tmp_path / name)
    else:
        frame.write_ndjson(tmp_path / name)
    [source] = open_files(tmp_path, name)
    assert max(map(len, source.schema)) < 100
    assert len({*source.schema}) == len(names)
    assert max(map(len, source.read_as)) < 500
    stated = parse_settings(f"[data.events]\npaths = ['{name}']\n", tmp_path)
    with pytest.raises(DataError, match="has no column 'event_type'") as caught:
        map_table(stated, "events", stated.data.events)
    assert len(str(caught.value)) < 1000


def test_a_message_lists_some_of_many_columns(tmp_path: Path) -> None:
    """Ten thousand names are not read by anybody."""
    pl.DataFrame({f"c{at}": ["x"] for at in range(9_000)}).write_parquet(tmp_path / "events.parquet")
    stated = parse_settings("[data.events]\npaths = ['events.parquet']\n", tmp_path)
    with pytest.raises(DataError, match="c99 and 8,900 more"):
        map_table(stated, "events", stated.data.events)
