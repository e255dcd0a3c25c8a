"""Heads of two lines in CSV and Excel: titles of groups above names are read without a clash, or refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest
import xlsxwriter

from recsys.types import DataError
from tests.support.files import open_files, rows_of, written

TWO_LINES = [
    ["Beleg", "", "Artikel", "", "Preis", "", "Summe", "", "Ort"],
    ["Kunde", "Datum", "Nummer", "Menge", "Netto", "Brutto", "Netto", "Brutto", ""],
    ["u1", "2026-06-01", "A", "2", "10.00", "11.90", "20.00", "23.80", "Ulm"],
    ["u2", "2026-06-02", "B", "1", "5.00", "5.95", "5.00", "5.95", ""],
]
TWO_LINES_NAMES = [*TWO_LINES[1][:4], "Preis Netto", "Preis Brutto", "Summe Netto", "Summe Brutto", "Ort"]


@pytest.mark.parametrize("above", [[], [["Umsatz Juni"], ["Erstellt", "shop"]]])
@pytest.mark.parametrize("columns", ["", "columns = { user_id = 'Kunde', item_id = 'Nummer', price = 'Preis Brutto' }"])
def test_names_below_titles_of_groups_are_read_without_a_clash(tmp_path: Path, above: list[list[str]], columns: str) -> None:
    """Two "Brutto" under two titles are two columns, and what was made of the titles is said."""
    rows = [[*row, *[""] * (9 - len(row))] for row in above] + TWO_LINES
    [source] = open_files(tmp_path, written(tmp_path, "e.csv", "".join(f"{';'.join(row)}\n" for row in rows)), columns)
    assert [*source.schema][:9] == TWO_LINES_NAMES
    assert [row[:9] for row in rows_of((source,))] == [tuple(cell or None for cell in row) for row in TWO_LINES[2:]]
    lines = f"lines {len(above) + 1} and {len(above) + 2}"
    assert lines in source.read_as[0]
    assert "the titles of groups stand before names that repeat" in source.read_as[0]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_titles_of_groups_count_where_the_settings_name_the_line_below_them(tmp_path: Path, kind: str) -> None:
    """`skip_lines` that passes the titles over knows names with them, and a name that takes both lines, where settings say so."""
    if kind == "csv":
        written(tmp_path, "e.csv", "".join(f"{';'.join(row)}\n" for row in TWO_LINES))
    else:
        with xlsxwriter.Workbook(tmp_path / "e.xlsx") as book:
            sheet = book.add_worksheet()
            for at, row in enumerate(TWO_LINES):
                sheet.write_row(at, 0, row)
    columns = "user_id = 'Kunde', item_id = 'Nummer', price = 'Summe Netto', category = 'Ort'"
    [source] = open_files(tmp_path, f"e.{kind}", f"skip_lines = 1\ncolumns = {{ {columns} }}")
    names = [*TWO_LINES[1][:6], "Summe Netto", "Brutto_duplicated_0", "Ort"]
    assert [*source.schema][:9] == names
    assert [row[:2] for row in rows_of((source,))] == [("u1", "2026-06-01"), ("u2", "2026-06-02")]


def test_names_that_repeat_stay_known_where_the_settings_use_them(tmp_path: Path) -> None:
    """Default names, plain ones and numbered ones are those of the lower line alone, below titles or any other line."""
    rows = ["user_id;item_id;timestamp;price;price;quantity", *(f"u{at};i;2026-06-0{at};{at}.5;9.5;1" for at in (1, 2))]
    for at, above in enumerate(("Export;;;Gross;Net;", "Report;Shop A;;;;")):
        name = written(tmp_path, f"{at}.csv", "".join(f"{row}\n" for row in (above, *rows)))
        for column in ("price", "price_duplicated_0"):
            [source] = open_files(tmp_path, name, f"skip_lines = 1\ncolumns = {{ price = '{column}' }}")
            assert [*source.schema][3:5] == ["price", "price_duplicated_0"]
        for more in ("", "skip_lines = 1"):
            [source] = open_files(tmp_path, name, more)
            assert [*source.schema][:4] == ["user_id", "item_id", "timestamp", "price"]
    for more in ("", "skip_lines = 1\n"):
        [source] = open_files(tmp_path, "0.csv", f"{more}columns = {{ price = 'Gross price' }}")
        assert "Gross price" in source.schema
        [source] = open_files(tmp_path, "0.csv", f"{more}columns = {{ amount = 'Gross price' }}")
        assert "Gross price" in source.schema  # although `price` is a name that the settings use where there is one


def test_a_short_line_of_names_below_titles_is_read(tmp_path: Path) -> None:
    """A line of names may end before its last title."""
    with xlsxwriter.Workbook(tmp_path / "e.xlsx") as book:
        sheet = book.add_worksheet()
        for at, row in enumerate(TWO_LINES):
            sheet.write_row(at, 0, row)
    [source] = open_files(tmp_path, "e.xlsx", "columns = { user_id = 'Kunde', price = 'Brutto' }")
    assert [*source.schema][:9] == [*TWO_LINES[1][:4], "Preis Netto", "Brutto", "Summe Netto", "Summe Brutto", "Ort"]


@pytest.mark.parametrize("first", [["anna", "x", "tea", "red"], ["anna", "7", "tea", "3"]])
def test_a_row_below_names_with_gaps_is_no_head(tmp_path: Path, first: list[str]) -> None:
    """Names that the settings speak of are the names, whether or not each column has one."""
    rows = [["user_id", "", "item_id", ""], first, ["ben", "5", "cup", "4"], ["cid", "6", "pot", "8"]]
    sources = open_files(tmp_path, written(tmp_path, "e.csv", "".join(f"{','.join(row)}\n" for row in rows)))
    assert [row[:4] for row in rows_of(sources)] == [tuple(row) for row in rows[1:]]


def test_two_lines_that_may_both_hold_names_are_refused_in_words(tmp_path: Path) -> None:
    """Texts below tell nothing: the sentence names both lines, and the setting that decides."""
    name = written(tmp_path, "e.csv", "Artikel,,Farbe,\nName,Art,Ton,Glanz\nTee,gut,rot,matt\nTopf,neu,blau,hell\n")
    with pytest.raises(
        DataError, match=r"in line 1, of which 2 are empty, or in line 2.*skip_lines = 0` or `skip_lines = 1`"
    ):
        open_files(tmp_path, name)
    [source] = open_files(tmp_path, name, "skip_lines = 1")
    assert list(source.schema) == ["Name", "Art", "Ton", "Glanz"]


def test_names_below_merged_titles_of_groups_are_read(tmp_path: Path) -> None:
    """Titles over several columns, names that repeat below them, and a column whose name takes both lines."""
    with xlsxwriter.Workbook(tmp_path / "events.xlsx") as book:
        sheet = book.add_worksheet("Belege")
        sheet.merge_range("A1:B1", "Beleg")
        sheet.merge_range("C1:C2", "Artikel")
        sheet.merge_range("D1:E1", "Preis")
        sheet.merge_range("F1:G1", "Summe")
        sheet.write_row("A2", ["Kunde", "Datum"])
        sheet.write_row("D2", ["Netto", "Brutto"] * 2)
        sheet.write_row("A3", ["u1", "2026-06-01", "A", 10, 11.9, 20, 23.8])
        sheet.write_row("A4", ["u2", "2026-06-02", "B", 5, 5.95, 5, 5.95])
    [source] = open_files(tmp_path, "events.xlsx")
    names = ["Kunde", "Datum", "Artikel", "Preis Netto", "Preis Brutto", "Summe Netto", "Summe Brutto"]
    assert [*source.schema][:7] == names
    assert [row[:3] for row in rows_of((source,))] == [("u1", "2026-06-01", "A"), ("u2", "2026-06-02", "B")]
    assert "column names in lines 1 and 2" in source.read_as[0]


@pytest.mark.parametrize(
    ("line", "stated"), [("sep=§\n", ""), ("sep=\ufeff\n", ""), ("", "separator = '¦'"), ("", "quote = '«'")]
)
def test_signs_beyond_ascii_separate_nothing(tmp_path: Path, line: str, stated: str) -> None:
    """A sign that cannot separate or quote fields is named, in a line `sep=` as in the settings."""
    written(tmp_path, "e.csv", f"{line}user_id§item_id\nu§a\n")
    with pytest.raises(DataError, match="has fields separated or quoted by"):
        open_files(tmp_path, "e.csv", stated)


def test_more_names_than_fields_are_said(tmp_path: Path) -> None:
    """Where rows end early the last columns are empty; a name that holds the separator would move all others and is refused."""
    row = "u1,2026-06-01,view,a,5.00,12.50,2\n"
    names = "user_id,timestamp,event_type,item_id,discount,{},quantity,{}\n".format
    [source] = open_files(tmp_path, written(tmp_path, "e.csv", names("price", "channel") + row * 3))
    assert "its rows have fewer fields than the 8 column names" in source.read_as[0]
    written(tmp_path, "e.csv", names("Price, gross", "price").replace(",price", "") + row * 3)
    with pytest.raises(DataError, match="8 column names above rows of 7 fields, and ' gross' may be the end"):
        open_files(tmp_path, "e.csv")


def test_rows_above_the_names_of_another_export_are_not_passed_over(tmp_path: Path) -> None:
    """Two exports in one file, the second with more names that the settings speak of: the first one's rows are no titles."""
    first = "user_id,item_id,timestamp,event_type,preis\nu1,a,2026-06-01,view,5\n"
    written(tmp_path, "e.csv", f"{first}user_id,item_id,timestamp,event_type,price\nu2,b,2026-06-02,view,6\n")
    with pytest.raises(
        DataError, match=r"names of columns in line 1 and others in line 3, with rows between.*skip_lines = 0"
    ):
        open_files(tmp_path, "e.csv")
    assert len(rows_of(open_files(tmp_path, "e.csv", "skip_lines = 0"))) == 3
    titles = "Export of user_id,of June\n"
    assert len(rows_of(open_files(tmp_path, written(tmp_path, "t.csv", f"{titles}{titles}{first}")))) == 1
