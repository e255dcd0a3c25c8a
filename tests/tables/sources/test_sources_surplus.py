"""Rows with more fields than names: none of them may look as if it fitted, for its values stand under the wrong names."""

from __future__ import annotations

from pathlib import Path

import pytest

from recsys.settings.load import parse_settings
from recsys.tables.shop import ShopTables, read_shop
from recsys.tables.sources.bounds import CHUNK, MAX_LINE
from recsys.types import DataError
from tests.support.files import open_files, rows_of, written

NAMES = "user_id,item_id,timestamp,event_type,price,coupon,channel"
ROW = "u{at},i,2026-06-01,purchase,{price},{rest}\n"
SOUND = "".join(ROW.format(at=at, price="7.50", rest="SPRING,web") for at in range(3))


def read(folder: Path, content: str | bytes) -> ShopTables:
    """Read events of a file, however many of its rows are bad."""
    written(folder, "events.csv", content)
    return read_shop(parse_settings('data.max_rejected_share = 1.0\ndata.events.paths = ["events.csv"]', folder))


@pytest.mark.parametrize(
    "surplus",
    [
        ROW.format(at=9, price="12,50", rest=","),
        ROW.format(at=9, price="12,50,25,00", rest=","),
        ROW.format(at=9, price="12,50,25,00", rest=",web"),
        ROW.format(at=9, price="12,50", rest=",").replace(",i,", ',"a ""b"", c",'),
        ROW.format(at=9, price="7.50", rest=",web,,x"),
        ROW.format(at=9, price="12,50", rest=",").rstrip("\n"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_value_that_holds_the_separator_is_a_bad_row(tmp_path: Path, surplus: str, end: str, encoding: str) -> None:
    """Also where the last cells of its row are empty, so that nothing stands beyond the names: 12,50 is never read as 12."""
    content = f"{NAMES}\n{SOUND}{surplus}".replace("\n", end)
    shop = read(tmp_path, content.encode(encoding))
    assert shop.events.collect()["price"].to_list() == [7.5] * 3
    assert shop.counts["events"].rejected == 1
    [found] = [each for each in shop.findings if each.level == "rejected"]
    assert found.rule == "has as many fields as the first line"


def test_a_line_of_a_text_is_no_line_of_names_and_no_empty_row(tmp_path: Path) -> None:
    """Inside of quotes stands what the shop wrote, also where rows of that kind are passed over elsewhere."""
    content = 'item_id;title\nA;"first\n;\nlast"\n;\nB;"x\nitem_id;title\ny"\nitem_id;title\nC;z\n'
    sources = open_files(tmp_path, written(tmp_path, "items.csv", content), name="items")
    assert rows_of(sources) == [("A", "first\n;\nlast"), ("B", "x\nitem_id;title\ny"), ("C", "z")]


@pytest.mark.parametrize("signs", [",", ",,"])
def test_rows_that_all_end_with_a_separator_are_sound(tmp_path: Path, signs: str) -> None:
    """Some exports end every row so, but not the line of names; it is said, and a row that has more than that is none of them."""
    rows = SOUND.replace("\n", f"{signs}\n")
    shop = read(tmp_path, f"{NAMES}\n{rows}")
    assert shop.events.collect()["price"].to_list() == [7.5] * 3
    assert "its rows end with more separators than its column names" in shop.read_as["events"][0]
    assert read(tmp_path, f"{NAMES}\n{rows}{ROW.format(at=9, price='12,50', rest=',,x')}").counts["events"].rejected == 1


def test_decimal_commas_in_every_row_are_refused(tmp_path: Path) -> None:
    """A number of two digits beside a whole one in all rows that end with one more comma: each is half a price."""
    rows = "".join(ROW.format(at=at, price=f"{at},50", rest=",") for at in range(9))
    with pytest.raises(DataError, match="as decimal commas without quotes look"):
        read(tmp_path, f"{NAMES}\n{rows}")


def test_one_row_without_the_last_separator_condemns_no_others(tmp_path: Path) -> None:
    """Most rows end with one more than the names: that is how this shop ends a line."""
    rows = "".join(ROW.format(at=at, price="7.50", rest="SPRING,web,") for at in range(9)) + SOUND
    assert read(tmp_path, f"{NAMES}\n{rows}").counts["events"].rejected == 0


def test_numbers_of_two_digits_are_no_cents_of_a_year(tmp_path: Path) -> None:
    """Only beside an amount of money is a number of two digits the half of it."""
    content = "item_id,year,month\n7,2026,11,\n8,2026,12,\n"
    assert rows_of(open_files(tmp_path, written(tmp_path, "items.csv", content), name="items")) == [
        ("7", "2026", "11"),
        ("8", "2026", "12"),
    ]


@pytest.mark.parametrize("lines", ["water, salt, oil, lemon, sugar, air, ink", "<li>a</li>,,,,,,\n<li>b</li>,,,,,,"])
def test_a_few_lines_of_a_text_with_as_many_separators_are_a_text(tmp_path: Path, lines: str) -> None:
    """A list in a description is no row of the file."""
    content = f'{NAMES}\nu1,"Ingredients:\n{lines}\nMade in Italy.",2026-06-01,view,,,\n{SOUND}'
    found = rows_of(open_files(tmp_path, written(tmp_path, "events.csv", content)))
    assert found[0][1] == f"Ingredients:\n{lines}\nMade in Italy."
    assert len(found) == 4


def test_empty_last_cells_are_sound(tmp_path: Path) -> None:
    """Separators inside of quotes are none, nor are those of lines that a quoted text goes over."""
    content = f'{NAMES}\nu1,i,2026-06-01,view,,,\nu2,"a,,\n,,",2026-06-01,view,,,\nu3,i,2026-06-01,view\n'
    sources = open_files(tmp_path, written(tmp_path, "events.csv", content))
    assert sources[0].layout is not None, "it is read where it stands"
    assert [row[0] for row in rows_of(sources)] == ["u1", "u2", "u3"]


def test_rows_are_looked_at_over_the_ends_of_chunks(tmp_path: Path) -> None:
    """A large file loses no row, and each that does not fit is found, wherever it stands."""
    many = CHUNK // len(SOUND) * 6
    surplus = ROW.format(at=9, price="12,50", rest=",")
    content = f"{NAMES}\n{(SOUND * (many // 6) + surplus) * 3}"
    sources = open_files(tmp_path, written(tmp_path, "events.csv", content))
    assert len(rows_of(sources)) == many // 6 * 9 + 3
    assert sum(source.frame.collect()["__more"].is_not_null().sum() for source in sources) == 3


def test_a_row_longer_than_any_ends_the_search(tmp_path: Path) -> None:
    """A quoted text of many lines is read, and rows before it are looked at."""
    text = "x" * 99 + "\n"
    surplus = ROW.format(at=9, price="12,50", rest=",")
    content = f'{NAMES}\n{SOUND}{surplus}u,"{text * (MAX_LINE // 100 + CHUNK // 50)}",2026-06-01,view,,,\n{SOUND}'
    sources = open_files(tmp_path, written(tmp_path, "events.csv", content))
    assert len(rows_of(sources)) == 8
    assert sum(source.frame.collect()["__more"].is_not_null().sum() for source in sources) == 1


WIDE = ("event_id", "query", "user_id", "item_id", "timestamp", "event_type", "price")


def quoted(texts: dict[int, str], *, always: bool, last: bool = False) -> str:
    """Sixty events, all cells in quotes or none, with these texts as some of their queries, as they stand in the file."""
    names = [*WIDE[:1], *WIDE[2:], "query"] if last else [*WIDE]
    lines = [",".join(names)]
    for at in range(60):
        cells = {
            "event_id": f"e{at}",
            "query": "nail",
            "user_id": "u",
            "item_id": "i",
            "timestamp": "2026-06-01",
            "event_type": "search",
        }
        around = {name: f'"{cells.get(name, "5")}"' if always else cells.get(name, "5") for name in names}
        lines.append(",".join((around | ({"query": texts[at]} if at in texts else {}))[name] for name in names))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(
    ("first", "second", "always"),
    [
        ('"nail 5""', '"nail 6""', True),
        ('"nail', 'nail"', True),
        ('"nail', 'nail"', False),
    ],
)
def test_quotes_that_hide_rows_are_refused(tmp_path: Path, first: str, second: str, last: bool, always: bool) -> None:
    """Two texts with a quote too many or too few: all rows between them would be one text, and gone without a word."""
    content = quoted({10: first, 50: second}, always=always, last=last)
    with pytest.raises(DataError, match=r"has a quote in line 12 that is not closed, or stands inside a text"):
        read(tmp_path, content)
    with pytest.raises(DataError, match=r"has a quote in line 12 "):
        read(tmp_path, quoted({10: first, 11: second}, always=True, last=last))


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ('"5"" nail"', '5" nail'),
        ('"nail, 5" x 6", long"', "nail, 5 x 6, long"),
        ('"<a href="x">a, b</a>\n<b>"', "<a href=x>a, b</a>\n<b>"),
        ('"a\nb, c\n\nd"', "a\nb, c\n\nd"),
        ('"one, two, three, four\nfive, six, seven, eight\nnine"', "one, two, three, four\nfive, six, seven, eight\nnine"),
    ],
)
def test_texts_with_quotes_and_lines_are_texts(tmp_path: Path, text: str, read_as: str) -> None:
    """Quotes inside of a text that hide nothing, and lines that are no rows, are as they were."""
    shop = read(tmp_path, quoted({10: text}, always=True))
    assert shop.counts["events"].kept == 60
    assert read_as in shop.events.select("query").collect().to_series().to_list()
