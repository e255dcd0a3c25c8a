"""Text files as shops export them: encodings, separators, titles above the header, no header at all."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from recsys.settings.load import parse_settings
from recsys.tables.shop import read_shop
from recsys.tables.sources.bounds import CHUNK
from recsys.types import DataError
from tests.support.files import COLUMNS, CSV, ROWS, open_files, rows_of, written

LETTERS = "Größe, café, crème brûlée, señor, Ærø, €"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (CSV.encode(), "UTF-8 (every byte is)"),
        (CSV.encode("utf-8-sig"), "after a byte order mark"),
        (CSV.encode("utf-16"), "UTF-16 (by its byte order mark)"),
        (b"\xfe\xff" + CSV.encode("utf-16-be"), "UTF-16 (by its byte order mark)"),
        (CSV.encode("utf-16-le"), "UTF-16-LE (every other byte is zero)"),
        (CSV.encode("utf-16-be"), "UTF-16-BE (every other byte is zero)"),
        (CSV.encode("utf-32"), "UTF-32 (by its byte order mark)"),
        (CSV.replace("\n", "\r\n").encode(), "UTF-8"),
        (CSV.replace("\n", "\r").encode(), "UTF-8"),
        (f"sep=;\n{CSV.replace(',', ';')}".encode(), "semicolons (by its line sep=)"),
        (f"sep=;\n{CSV.replace(',', ';')}".encode("utf-16"), "semicolons (by its line sep=)"),
        (CSV.replace(",", "\t").encode(), "tabs"),
        (CSV.replace(",", "|").encode(), "vertical bars"),
        (f"# Report of June\n# all shops\n\n{CSV}".encode(), "column names in line 4"),
        (f"\n\n{CSV}".encode(), "column names in line 3"),
        (f"Report, of June, all shops, in Europe\n{CSV}".encode(), "column names in line 2"),
        (f'"Report\nof June"\n{CSV}'.encode(), "column names in line 3"),
        (CSV.replace("user_id", " user_id ").encode(), "column names in line 1"),
    ],
)
def test_the_same_rows_however_they_are_written(tmp_path: Path, content: bytes, said: str) -> None:
    """Encoding, line ends, separator and lines above the header change nothing in what is read, and are named."""
    sources = open_files(tmp_path, written(tmp_path, "events.csv", content))
    assert rows_of(sources) == ROWS
    [read_as] = sources[0].read_as
    assert said in read_as


@pytest.mark.parametrize(
    ("encoding", "texts"),
    [
        ("cp1252", ["Größe", "café, crème brûlée", "Straße 5", "señor niño"]),
        ("cp1250", ["Příliš žluťoučký kůň", "Łódź, Kraków, Gdańsk"]),
        ("cp1251", ["Москва", "чайник, рубашка"]),
        ("cp1253", ["Αθήνα, καφές"]),
        ("cp1254", ["İstanbul, şeker, çağrı"]),
        ("cp932", ["東京のコーヒーとりんご"]),
        ("koi8_r", ["чайник, рубашка, Москва"]),
    ],
)
def test_other_encodings_are_found_out_from_the_whole_file(tmp_path: Path, encoding: str, texts: list[str]) -> None:
    """Letters far behind a head of plain ASCII tell the encoding, which is named with them."""
    lines = [f"u{at};i{at};2026-06-01;view;" for at in range(40_000)] + [f"u;i;2026-06-01;search;{text}" for text in texts]
    content = "\n".join(["user_id;item_id;timestamp;event_type;query", *lines]).encode(encoding)
    [source] = open_files(tmp_path, written(tmp_path, "events.csv", content))
    assert [row[4] for row in rows_of((source,))][40_000:] == texts
    assert "by its letters" in source.read_as[0]
    assert "the first in line 40,002" in source.read_as[0]


def test_the_encoding_of_the_settings_wins(tmp_path: Path) -> None:
    """A named encoding is used unasked; one that does not fit, or does not exist, is a sentence."""
    name = written(
        tmp_path, "events.csv", f"{COLUMNS},query\na,b,2026-06-01,search,1,{LETTERS!r}\n".encode("iso8859-15", "replace")
    )
    [source] = open_files(tmp_path, name, 'encoding = "iso8859-15"')
    assert "iso8859-15 (by the settings)" in source.read_as[0]
    for wrong, words in (
        ("ascii", "cannot be read whole as ascii"),
        ("latin-99", "'latin-99' in the settings, which does not exist"),
    ):
        with pytest.raises(DataError, match=words):
            open_files(tmp_path, name, f'encoding = "{wrong}"')


def test_some_foreign_bytes_in_utf8_are_a_sentence(tmp_path: Path) -> None:
    """A file that is UTF-8 but for a byte is not read in another encoding; `utf-8-lossy` reads it."""
    text = f"{COLUMNS},query\n" + "".join(f"a,b,2026-06-01,search,1,Größe {at}\n" for at in range(50))
    name = written(tmp_path, "events.csv", text.encode() + b"a,b,2026-06-01,search,1,Gr\xf6\n")
    with pytest.raises(
        DataError, match=r"UTF-8 but for some bytes \(1 byte is not UTF-8, the first in line 52\).*utf-8-lossy"
    ):
        open_files(tmp_path, name)
    assert rows_of(open_files(tmp_path, name, 'encoding = "utf-8-lossy"'))[-1][5] == "Gr�"


QUOTED = ",".join(f'"{name}"' for name in COLUMNS.split(","))
MARK = "\ufeff"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"{CSV}{CSV}", "1 times, are no rows"),
        (f"{CSV}{QUOTED}\n{CSV.partition(chr(10))[2]}", "1 times, are no rows"),
        (f"{CSV}{MARK}{CSV}", "marks inside of it, 1, are left out"),
        (f"{MARK}{CSV}{MARK}{CSV}", "marks inside of it, 1, are left out"),
        (f"{CSV[:-1]}{MARK}{CSV}", "marks inside of it, 1, are left out"),
        (f"{CSV}{MARK}{CSV.partition(chr(10))[2]}", "marks inside of it, 1, are left out"),
        (f"{CSV}{CSV}".replace("\n", "\r\n"), "1 times, are no rows"),
        (f"# June\n{CSV}{CSV}", "1 times, are no rows"),
    ],
)
def test_exports_one_after_another_are_one_table(tmp_path: Path, content: str, said: str) -> None:
    """Column names that stand again are no row, and a mark in front of a line is no letter of its first id; both are said."""
    sources = open_files(tmp_path, written(tmp_path, "events.csv", content))
    assert rows_of(sources) == ROWS * 2
    assert said in sources[0].read_as[0]


def test_pages_and_empty_rows_of_an_export_are_one_table(tmp_path: Path) -> None:
    """Column names above each page are told as such also where no setting speaks of them; rows of separators alone are none."""
    page = "Belegnr;Kd\n" + "".join(f"R{at};K{at}\n" for at in range(40))
    name = written(tmp_path, "list.csv", page + page + ";\n" * 2_000 + ";\r\n")
    [source] = open_files(tmp_path, name)
    assert source.frame.select("Belegnr", "Kd").collect().height == 80
    assert "1 times, are no rows" in source.read_as[0]
    assert "2,001 rows without a value are passed over" in source.read_as[0]


ITEMS = "item_id,title,price,brand\nA,Sofa,5,Ko\nB,Bed,7,Ko\n"


@pytest.mark.parametrize(
    "again",
    [
        "title,item_id,brand,price",
        "ITEM_ID,TITLE,PRICE,BRAND",
        "Item ID,Title,Price,Brand",
        "itemId,title,price,brand",
        "price,Brand,Item-Id,Title",
        '"Title","Item_Id","Price","Brand"',
    ],
)
def test_column_names_in_another_order_or_spelling_are_a_bad_row(tmp_path: Path, again: str) -> None:
    """They are no item and no event, and it is said that rows below them may stand under the wrong names."""
    written(tmp_path, "items.csv", f"{ITEMS}{again}\nC,Pot,2,Ko\n")
    written(tmp_path, "events.csv", f"{CSV}{','.join(reversed(COLUMNS.split(',')))}\n{COLUMNS.upper()}\n")
    written(tmp_path, "identities.csv", "anonymous_id,user_id\nv1,m1\nuser_id,anonymous_id\n")
    stated = "".join(f'[data.{name}]\npaths = ["{name}.csv"]\n' for name in ("events", "items", "identities"))
    shop = read_shop(parse_settings(f"data.max_rejected_share = 1.0\n{stated}", tmp_path))
    assert sorted(shop.items["item_id"]) == ["A", "B", "C"]
    found = [(each.table, each.rows) for each in shop.findings if each.rule == "is a row, and no line of column names"]
    assert sorted(found) == [("events", 2), ("identities", 1), ("items", 1)]
    assert shop.events.collect().height == len(ROWS)


def test_values_that_are_names_of_columns_are_values(tmp_path: Path) -> None:
    """One cell that is called as a column is, or the same in all, makes no line of names."""
    content = "item_id,title,price,brand\nA,title,5,Brand\nbrand,Brand,1,x\nbrand,brand,,brand\nC,,,brand\n"
    written(tmp_path, "items.csv", content)
    written(tmp_path, "events.csv", CSV)
    shop = read_shop(parse_settings('data.events.paths = ["events.csv"]\ndata.items.paths = ["items.csv"]', tmp_path))
    assert not [each for each in shop.findings if each.level == "rejected"]


def test_exports_in_utf16_one_after_another_are_one_table(tmp_path: Path) -> None:
    """Each has its mark."""
    assert rows_of(open_files(tmp_path, written(tmp_path, "events.csv", CSV.encode("utf-16") * 2))) == ROWS * 2


def test_a_mark_inside_a_text_stays(tmp_path: Path) -> None:
    """U+FEFF in the middle of a value is the shop's own."""
    content = f"{COLUMNS},query\na,b,2026-06-01,search,1,gr{MARK}ass\nc,b,2026-06-01,search,1,hay\n"
    assert rows_of(open_files(tmp_path, written(tmp_path, "events.csv", content)))[0][5] == f"gr{MARK}ass"


@pytest.mark.parametrize(
    ("utf8", "other", "encoding"),
    [(1, 1, "cp1252"), (300, 40, "cp1252"), (3, 100, "cp1252"), (50, 50, "cp1251"), (30, 60, "cp932")],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lines_of_two_encodings_are_refused(tmp_path: Path, utf8: int, other: int, encoding: str, end: bytes) -> None:
    """Two exports in one file are no words of either encoding; the first line of each is named, and `encoding` decides."""
    word = {"cp1252": "Größe", "cp1251": "рубашка", "cp932": "コーヒー"}[encoding]
    lines = f"{COLUMNS},query\n".encode() + f"a,b,2026-06-01,search,1,{word}\n".encode() * utf8
    content = lines + f"a,b,2026-06-01,search,1,{word}\n".encode(encoding) * other
    name = written(tmp_path, "events.csv", content.replace(b"\n", end))
    with pytest.raises(DataError, match=rf"holds {utf8} lines? of UTF-8, the first is line 2, .*in line {utf8 + 2}\)"):
        open_files(tmp_path, name)
    assert len(rows_of(open_files(tmp_path, name, 'encoding = "utf-8-lossy"'))) == utf8 + other


@pytest.mark.parametrize("word", ["Größe".encode(), "Größe".encode("cp1252")])
def test_large_files_of_old_macs_are_read_in_little_memory(tmp_path: Path, word: bytes) -> None:
    """Lines that end with a carriage return alone are lines: none is too long, and the file is never in memory as one."""
    row = b"a,b,2026-06-01,search,1,%s\r" % (b"hay " * 2_000)
    count = 5_000
    name = written(
        tmp_path, "events.csv", f"{COLUMNS},query\r".encode() + row * count + b"a,b,2026-06-01,search,1,%s\r" % word
    )
    tracemalloc.start()
    try:
        sources = open_files(tmp_path, name)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(source.height() for source in sources) == count + 1
    assert peak < 8 * CHUNK < (tmp_path / name).stat().st_size


@pytest.mark.parametrize(
    ("usual", "rare"),
    [
        (["Grüner Tee"] * 60, ["NESCAFÉ® Gold"] * 2),
        (["Größe"] * 20, ["Viel Spaß…"]),
        (["Jouet d’été"] * 20, ["BEYONCÉ’S BEST", "NESCAFÉ™"]),
        (["niño"] * 20, ["ESPAÑ’S", "TÖ’S", "RÜ®", "CAFFÈ’S"]),
    ],
)
def test_signs_behind_capitals_are_no_second_encoding(tmp_path: Path, usual: list[str], rare: list[str]) -> None:
    """Two letters of windows-1252 that happen to be one of UTF-8, which no shop writes, are read as what they are."""
    content = "".join(f"a,b,2026-06-01,search,1,{word}\n" for word in [*usual, *rare])
    name = written(tmp_path, "events.csv", f"{COLUMNS},query\n{content}".encode("cp1252"))
    assert [row[5] for row in rows_of(open_files(tmp_path, name))] == [*usual, *rare]


@pytest.mark.parametrize(
    "word",
    [
        "Größe",
        "crème",
        "Łódź",
        "cămașă",
        "chè đậu ướt",
        "Αθήνα",
        "чайник",
        "קפה",
        "قهوة",
        "กาแฟ",
        "コーヒー",
        "커피",
        "咖啡",
        "™ €",
        "☕",
    ],
)
def test_words_of_all_shops_are_utf8(tmp_path: Path, word: str) -> None:
    """Beside lines in windows-1252 they are another export, in any script."""
    lines = f"{COLUMNS},query\n".encode() + f"a,b,2026-06-01,search,1,{word}\n".encode() * 5
    name = written(tmp_path, "events.csv", lines + "a,b,2026-06-01,search,1,Größe niño\n".encode("cp1252") * 40)
    with pytest.raises(DataError, match="holds 5 lines of UTF-8"):
        open_files(tmp_path, name)


STREAM = "2026-06-01 10:00:00\tview\tv-1\t\t198.51.100.4\tPAN\t\n2026-06-01 11:00:00\tview\tv-2\t\t198.51.100.5\tPOT\tK1\n"
NAMES = 'header = ["at", "kind", "visitor", "customer", "address", "item", "order"]'


@pytest.mark.parametrize(
    "content",
    [
        STREAM,
        "kim@shop.invalid;A1;12,50\nlee@shop.invalid;B2;9,00\n",
        "c-1,https://shop.invalid/a,4\nc-2,https://shop.invalid/b,5\n",
        "9f86d081884c7d659a2feaa0c55ad015,A,x\n60303ae22b998861bce3b28f33eec1be,B,x\n",
        "anna,A,x\nbert,A,x\n",
        f"Report\n\n{STREAM}",
    ],
)
def test_a_missing_header_is_noticed_without_quoting_it(tmp_path: Path, content: str) -> None:
    """One sentence says that names are missing and how to give them, and repeats no value of the first line."""
    with pytest.raises(DataError) as caught:
        open_files(tmp_path, written(tmp_path, "stream.tsv", content))
    stated = str(caught.value)
    assert "has no line of column names" in stated
    assert "data.events.header" in stated
    first = next(line for line in content.splitlines() if "," in line or ";" in line or "\t" in line)
    cells = [cell for sign in "\t;," if sign in first for cell in first.split(sign) if len(cell) > 3]
    assert [cell for cell in cells if cell in stated.replace(str(tmp_path), "").replace("stream.tsv", "")] == []


def test_names_can_be_given(tmp_path: Path) -> None:
    """`header` names the columns of a file without names, also below a title, and where its first line repeats them."""
    for content in (STREAM, f"# stream\n{STREAM}", f"at\tkind\tvisitor\tcustomer\taddress\titem\torder\n{STREAM}"):
        [source] = open_files(tmp_path, written(tmp_path, "stream.tsv", content), NAMES)
        assert list(source.schema) == ["at", "kind", "visitor", "customer", "address", "item", "order"]
        assert [row[2] for row in rows_of((source,))] == ["v-1", "v-2"]
    with pytest.raises(
        DataError, match=r"has 7 fields in most of its lines, but `data.events.header` names 2; name each column"
    ):
        open_files(tmp_path, "stream.tsv", 'header = ["at", "kind"]')


def test_the_line_of_names_can_be_pinned(tmp_path: Path) -> None:
    """`skip_lines` says which line holds the names, whatever they look like."""
    name = written(tmp_path, "sums.csv", "2024,2025\n1,2\n")
    with pytest.raises(DataError, match="skip_lines = 0"):
        open_files(tmp_path, name)
    [source] = open_files(tmp_path, name, "skip_lines = 0")
    assert list(source.schema) == ["2024", "2025"]
    [below] = open_files(tmp_path, written(tmp_path, "sums.csv", f"1,2\n3,4\n{CSV}"), "skip_lines = 2")
    assert rows_of((below,)) == ROWS


def test_titles_that_a_spreadsheet_fills_up_are_passed_over(tmp_path: Path) -> None:
    """A title above names that nobody knows has as many fields as the names, most of them empty."""
    name = written(tmp_path, "june.csv", "Raport;;;\n;;;\nNr;Klient;Symbol;Cena\nA;k;S;1\nB;k;S;2\n")
    [source] = open_files(tmp_path, name)
    assert list(source.schema) == ["Nr", "Klient", "Symbol", "Cena"]


def test_separator_and_quote_can_be_pinned(tmp_path: Path) -> None:
    """A sign that no guess would find separates fields, and quotes may be letters."""
    content = 'user_id~query\nu1~5" nail\nu2~"bold" move\n'
    [source] = open_files(tmp_path, written(tmp_path, "events.csv", content), "separator = '~'\nquote = ''")
    assert rows_of((source,)) == [("u1", '5" nail'), ("u2", '"bold" move')]


def test_decimal_commas_do_not_look_like_separators(tmp_path: Path) -> None:
    """Rows of one width and known names speak for a separator, not the number of signs."""
    content = "user_id;price;a;b\n" + "k1;1,5;2,5,5;3,5,5\n" * 3
    assert rows_of(open_files(tmp_path, written(tmp_path, "events.csv", content)))[0] == ("k1", "1,5", "2,5,5", "3,5,5")


def test_names_that_stand_twice_are_told_apart(tmp_path: Path) -> None:
    """No column hides another of the same name."""
    [source] = open_files(tmp_path, written(tmp_path, "events.csv", "user_id,item_id,item_id,,\n1,2,3,4,5\n"))
    assert list(source.schema) == ["user_id", "item_id", "item_id_duplicated_0", "", "_duplicated_0"]


def test_files_of_one_layout_are_one_source_and_others_their_own(tmp_path: Path) -> None:
    """Rows keep the order of the files and their names, whether they stand or are copied."""
    other = "#1\n" + CSV
    for name, content in {
        "1.csv": CSV.encode(),
        "2.csv": CSV.encode(),
        "3.csv": other.encode(),
        "4.csv": CSV.encode("utf-16"),
    }.items():
        written(tmp_path, name, content)
    sources = open_files(tmp_path, "*.csv")
    assert [len(source.files) for source in sources] == [2, 1, 1]
    assert rows_of(sources) == ROWS * 4
