"""Workbooks with hidden sheets, covers, far cells and sizes that lie: the right rows, or a sentence in bounded memory."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
import xlsxwriter

from recsys.settings.load import parse_settings
from recsys.tables.shop import read_shop
from recsys.types import DataError
from tests.support.files import open_files, rows_of

NAMES: list[object] = ["user_id", "item_id", "timestamp"]
ROWS: list[list[object]] = [["u1", "0071", datetime(2026, 6, 1, 10)], ["u2", "B", datetime(2026, 6, 2)]]  # noqa: DTZ001
READ = [("u1", "0071", "2026-06-01 10:00:00"), ("u2", "B", "2026-06-02 00:00:00")]
Sheet = tuple[str, list[list[object]], str]


def workbook(folder: Path, *sheets: Sheet, **options: object) -> None:
    """Write sheets: a name, rows, and the method that hides it, if any."""
    options = {"default_date_format": "dd/mm/yyyy hh:mm", **options}
    with xlsxwriter.Workbook(folder / "events.xlsx", options) as book:
        for name, rows, hide in sheets:
            sheet = book.add_worksheet(name)
            for at, row in enumerate(rows):
                sheet.write_row(at, 0, row)
            if hide:
                getattr(sheet, hide)()
        sheet.activate()
        sheet.set_first_sheet()


def rewritten(folder: Path, change: Callable[[str, bytes], bytes]) -> None:
    """Change the parts of a workbook."""
    with zipfile.ZipFile(folder / "events.xlsx") as archive:
        parts = {name: change(name, archive.read(name)) for name in archive.namelist()}
    with zipfile.ZipFile(folder / "events.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


@pytest.mark.parametrize("hide", ["hide", "very_hidden"])
def test_a_hidden_sheet_gives_way_to_one_that_people_see(tmp_path: Path, hide: str) -> None:
    """An old list that was hidden is not what was exported."""
    workbook(tmp_path, ("old", [NAMES, ["u9", "OLD", ROWS[0][2]]], hide), ("orders", [NAMES, *ROWS], ""))
    sources = open_files(tmp_path, "events.xlsx")
    assert rows_of(sources) == READ
    assert "sheet 'orders' (2 sheets have rows, 1 of them hidden; another one is" in sources[0].read_as[0]


def test_a_cover_gives_way_to_the_sheet_with_the_names(tmp_path: Path) -> None:
    """A first sheet of words about the export, with a date among them."""
    cover: list[list[object]] = [["Export of June"], ["Made", ROWS[0][2]], ["Contact", "shop@shop.example"]]
    workbook(tmp_path, ("Info", cover, ""), ("orders", [NAMES, *ROWS], ""))
    assert rows_of(open_files(tmp_path, "events.xlsx")) == READ


@pytest.mark.parametrize("date_1904", [False, True])
def test_dates_count_from_the_workbook_s_first_day(tmp_path: Path, date_1904: bool) -> None:
    """Excel of old Macs counts from 1904."""
    workbook(tmp_path, ("orders", [NAMES, *ROWS], ""), date_1904=date_1904)
    assert rows_of(open_files(tmp_path, "events.xlsx")) == READ


@pytest.mark.parametrize("date_1904", [False, True])
def test_days_that_are_plain_numbers_count_from_the_workbook_s_first_day(tmp_path: Path, date_1904: bool) -> None:
    """A column that was pasted without its format, read as times; four years and a day lie between both systems."""
    days = [46_174.5 - 1_462 * date_1904 + at for at in range(3)]
    rows: list[list[object]] = [[f"u{at}", "A", day, "view"] for at, day in enumerate(days)]
    workbook(tmp_path, ("orders", [[*NAMES, "event_type"], *rows], ""), date_1904=date_1904)
    shop = read_shop(parse_settings("[data.events]\npaths = ['events.xlsx']\n", tmp_path))
    assert [f"{time:%Y-%m-%d %H}" for time in shop.events.collect()["timestamp"]] == [
        f"2026-06-0{at} 12" for at in (1, 2, 3)
    ]
    assert [guess.pin for guess in shop.guesses] == [f'data.events.time_unit = "excel{"1904" * date_1904}"']


def test_errors_of_formulas_are_no_empty_cells(tmp_path: Path) -> None:
    """A stock that could not be looked up is not shown; an id of an error is none."""
    workbook(tmp_path, ("orders", [[*NAMES, "event_type"], [*ROWS[0], "view"], [*ROWS[1], "view"]], ""))
    with xlsxwriter.Workbook(tmp_path / "items.xlsx") as book:
        sheet = book.add_worksheet()
        for at, row in enumerate([["item_id", "title", "available"], ["0071", "Tea"], ["B", "Cup", "yes"], ["C", "Pot"]]):
            sheet.write_row(at, 0, row)
        sheet.write_formula(1, 2, "=NA()", None, "#N/A")
        sheet.write_formula(3, 2, "=1/0", None, "#DIV/0!")
    shop = read_shop(
        parse_settings("data.events.paths = ['events.xlsx']\ndata.items.paths = ['items.xlsx']\n", tmp_path), strict=False
    )
    assert shop.items.select("item_id", "available").rows() == [("0071", False), ("B", True), ("C", False)]
    [found] = [each for each in shop.findings if each.level == "closed"]
    assert (found.rows, found.example) == (2, "#DIV/0! (1), #N/A (1)")


def test_all_sheets_with_the_same_columns_are_read(tmp_path: Path) -> None:
    """A sheet for each month; another one, and one that is hidden, are left out, and what is read is said."""
    months: list[Sheet] = [("May", [NAMES, ROWS[0]], ""), ("June", [["Export"], [], NAMES[::-1], ROWS[1][::-1]], "")]
    workbook(tmp_path, *months, ("old", [NAMES, ROWS[0]], "hide"), ("about", [[*"SC"], [*"ab"]], ""))
    sources = open_files(tmp_path, "events.xlsx")
    assert rows_of(sources) == READ
    assert "sheet 'May' and 1 more with the same columns" in sources[0].read_as[0]
    assert rows_of(open_files(tmp_path, "events.xlsx", "sheet = 'May'\n")) == READ[:1]


@pytest.mark.parametrize("noted", [0, 1])
def test_a_note_beside_one_of_the_sheets_changes_nothing(tmp_path: Path, noted: int) -> None:
    """Somebody wrote a word to the right of the table, where no column has a name."""
    months: list[Sheet] = [("May", [NAMES, ROWS[0]], ""), ("June", [NAMES, ROWS[1]], "")]
    name, [names, row], hide = months[noted]
    months[noted] = (name, [names, [*row, "", "checked"]], hide)
    workbook(tmp_path, *months)
    assert [row[:3] for row in rows_of(open_files(tmp_path, "events.xlsx"))] == READ


@pytest.mark.parametrize("cells", [3_000, 60])
def test_a_text_that_many_cells_share_is_counted_for_each(tmp_path: Path, cells: int) -> None:
    """A file of some kilobytes whose cells all point at one text of megabytes would fill the memory."""
    row: list[object] = ["u1", "LONG", "x"]
    workbook(tmp_path, ("orders", [NAMES, *([row] * cells)], ""))
    rewritten(tmp_path, lambda name, part: part.replace(b"LONG", b"A" * (1 << 20)) if "sharedStrings" in name else part)
    if cells > 512:
        with pytest.raises(DataError, match=r"unpacks to [\d,]+ MB; a workbook may have [\d,]+ MB"):
            open_files(tmp_path, "events.xlsx")
    else:
        assert len(rows_of(open_files(tmp_path, "events.xlsx"))) == cells


def test_empty_rows_are_no_rows(tmp_path: Path) -> None:
    """Between the rows, below them, and with blanks in a cell."""
    last: list[object] = ["  "]
    workbook(tmp_path, ("orders", [NAMES, ROWS[0], [], ROWS[1], *([[]] * 10_000), last], ""))
    assert rows_of(open_files(tmp_path, "events.xlsx")) == READ


@pytest.mark.parametrize(
    "place",
    [
        b'r="ZZZZZZ99999999999"',
        b'r="xfd1048576"',
        b"r = 'XFD1048576'",
        b'r=" XFD1048576"',
        b'r="A4000000000"',
        b'r="%b1"' % (b"A" * 50_000),
        b'r="A%b"' % (b"9" * 5_000),
    ],
)
def test_a_far_cell_is_a_sentence_however_it_is_written(tmp_path: Path, place: bytes) -> None:
    """All cells up to the last one take memory; what cannot be had would end the process."""
    workbook(tmp_path, ("orders", [NAMES, *ROWS], ""))
    rewritten(tmp_path, lambda name, part: part.replace(b'r="C3"', place) if "sheet1" in name else part)
    with pytest.raises(DataError, match=r"has a sheet of [\d,]+ rows and [\d,]+ columns, also empty ones"):
        open_files(tmp_path, "events.xlsx")


def test_a_far_row_without_places_is_a_sentence(tmp_path: Path) -> None:
    """Cells need not say where they stand where their row does."""
    workbook(tmp_path, ("orders", [NAMES, *ROWS], ""))

    def far(name: str, part: bytes) -> bytes:
        return (
            re.sub(rb' r="[A-C]\d"', b"", part).replace(b'<row r="3"', b'<row r="4000000000"') if "sheet1" in name else part
        )

    rewritten(tmp_path, far)
    with pytest.raises(DataError, match="has a sheet of 4,000,000,000 rows"):
        open_files(tmp_path, "events.xlsx")


def test_a_part_that_lies_about_its_size_is_a_sentence(tmp_path: Path) -> None:
    """An archive says of each part how large it is; the bytes of this one become 600 MB."""
    workbook(tmp_path, ("orders", [NAMES, *ROWS], ""))
    bomb = b"<si><t>" + b"A" * (600 << 20) + b"</t></si></sst>"
    rewritten(tmp_path, lambda name, part: part.replace(b"</sst>", bomb) if "sharedStrings" in name else part)
    path = tmp_path / "events.xlsx"
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("xl/sharedStrings.xml").file_size
    path.write_bytes(path.read_bytes().replace(size.to_bytes(4, "little"), (1000).to_bytes(4, "little")))
    with pytest.raises(DataError, match=r"unpacks to 5.. MB; a workbook may have 512 MB"):
        open_files(tmp_path, "events.xlsx")
