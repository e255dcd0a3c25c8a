"""NDJSON, JSON, XML feeds and workbooks: the same rows, nested values as lists and structs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import xlsxwriter

from recsys.tables.sources import FILE, ROW, Source
from recsys.types import DataError
from tests.support.files import COLUMNS, ROWS, columns_of, open_files, rows_of, written

OBJECTS = [dict(zip(COLUMNS.split(","), row, strict=True)) for row in ROWS]
LINES = "".join(f"{json.dumps(each)}\n" for each in OBJECTS)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("events.ndjson", LINES, "one JSON object a line"),
        ("events.jsonl", "\ufeff" + LINES, "after a byte order mark"),
        ("events.json", LINES, "one JSON object a line"),
        ("events.txt", LINES, "one JSON object a line"),
        ("events.csv", LINES, "one JSON object a line"),
        ("events.json", f"\n\n{LINES}\n\n", "one JSON object a line"),
        ("events.json", json.dumps(OBJECTS), "a JSON array"),
        ("events.json", json.dumps(OBJECTS, indent=1), "a JSON array"),
        ("events.ndjson", json.dumps(OBJECTS, indent=1), "a JSON array"),
        ("events.json", "\n".join(json.dumps(each, indent=2) for each in OBJECTS), "JSON objects over several lines"),
    ],
)
def test_json_is_read_however_it_is_spread(tmp_path: Path, name: str, content: str, said: str) -> None:
    """One object a line, an array, objects over several lines: the content tells, not the ending."""
    for encoding in ("utf-8", "utf-16"):
        sources = open_files(tmp_path, written(tmp_path, name, content.encode(encoding)))
        assert rows_of(sources) == ROWS
        assert said in sources[0].read_as[0] or encoding == "utf-16"


@pytest.mark.parametrize("line", ["\ufeff{}", " \ufeff{}", "\ufeff {}", " \ufeff\ufeff {}", "{}\ufeff", "\ufeff{}\ufeff \r"])
def test_byte_order_marks_around_an_object_are_none_of_it(tmp_path: Path, line: str) -> None:
    """Each line was written as a file of its own, by programs that put the mark before, behind, or among blanks."""
    written(tmp_path, "events.ndjson", "\n".join(line.replace("{}", each) for each in LINES.splitlines()))
    assert rows_of(open_files(tmp_path, "events.ndjson")) == rows_of(
        open_files(tmp_path, written(tmp_path, "b.ndjson", LINES))
    )


@pytest.mark.parametrize("between", ["\n\ufeff", "\ufeff"])
def test_marks_inside_are_no_part_of_an_object(tmp_path: Path, between: str) -> None:
    """Exports one after another, with or without the end of the last line."""
    content = f"\ufeff{LINES[:-1]}{between}{LINES}"
    assert rows_of(open_files(tmp_path, written(tmp_path, "events.ndjson", content))) == ROWS * 2


def test_a_name_with_one_value_may_stand_twice(tmp_path: Path) -> None:
    """Which of them is read does not matter; and a colon behind a quote in a text is no name."""
    rows = '{"a": "1", "a": "1", "b": "x"}\n{"a" : "2", "b": "\\":\\": {\\"a\\":1}"}\n'
    assert rows_of(open_files(tmp_path, written(tmp_path, "events.ndjson", rows))) == [("1", "x"), ("2", '":": {"a":1}')]


def test_nested_values_stay_nested(tmp_path: Path) -> None:
    """Lists and objects become lists and structs of text; a key may come late; what changes its shape is text."""
    lines = [
        '{"user_id": 7, "items": [{"id": "00123", "q": 1}, {"id": 9, "tags": ["a", 1]}], "geo": {"c": {"d": true}}}',
        '{"user_id": "x", "items": [], "geo": null, "either": 1, "empty": {}}',
        '{"items": null, "either": {"a": [1]}, "late": [[1], ["b"]]}',
    ]
    [source] = open_files(tmp_path, written(tmp_path, "events.ndjson", "\n".join(lines)))
    text = pl.String()
    items = pl.List(pl.Struct({"id": text, "q": text, "tags": pl.List(text)}))
    assert source.schema == {
        "user_id": text,
        "items": items,
        "geo": pl.Struct({"c": pl.Struct({"d": text})}),
        "either": text,
        "empty": text,
        "late": pl.List(pl.List(text)),
    }
    frame = columns_of(source)
    assert dict(frame.schema) == {ROW: pl.UInt64(), **source.schema, FILE: text}
    assert frame["items"].to_list()[0] == [
        {"id": "00123", "q": "1", "tags": None},
        {"id": "9", "q": None, "tags": ["a", "1"]},
    ]
    assert [json.loads(value) for value in frame["either"].to_list()[1:]] == [1, {"a": [1]}]
    assert frame["geo"].to_list() == [{"c": {"d": "true"}}, None, None]


def test_nested_columns_of_parquet_stay(tmp_path: Path) -> None:
    """Lists and structs of Parquet come as they are."""
    frame = pl.DataFrame({"user_id": ["a"], "items": [[{"id": 1, "price": 2.5}]]})
    frame.write_parquet(tmp_path / "events.parquet")
    [source] = open_files(tmp_path, "events.parquet")
    assert source.schema == dict(frame.schema)
    assert columns_of(source)["items"].to_list() == [[{"id": 1, "price": 2.5}]]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"a": 1}\n{"a": \n', "line 2 is not a JSON object"),
        ('{"a": 1}\n[1]\n', "line 2 is not a JSON object but an array"),
        ('{"a": 1}\nkim@shop.invalid\n', "line 2 is not a JSON object"),
        ('{"a": 1}{"a": 2}\n', "line 1 is not a JSON object"),
        ('[{"a": 1}, {"a": "kim@shop', "is no whole JSON"),
        ('[{"a": 1}, 5]', "line 2 is not a JSON object but a single value"),
        ('{"a": ' * 60 + "1" + "}" * 60, "nested more than 20 levels"),
        ("[" * 200_000, "is nested too deeply"),
        ('{"a":' * 200_000, "is nested too deeply"),
        ('[{"a": %s}]' % ("[" * 5_000 + "]" * 5_000), "is nested too deeply"),
        ('[{"a": %s}]' % ("9" * 5_000), "1,000 digits or more in a row"),
        (f'{{"b": "{"x" * 8_000}", "a": {"9" * 5_000}}}\n', "1,000 digits or more in a row"),
        ('[{"a": 1e99999999999999999999}]', "is no whole JSON"),
        ('{"a": 1}\n{"a": "kim", "a": "lee"}\n', "line 2 has an object with 'a' twice"),
        ('{"a": 1}\n{"a": {"b" : [{"c" : 1, "c" : 2}]}}\n', "line 2 has an object with 'c' twice"),
        ('{"t" :"x","a":"kim","a":"lee"}\n', "line 1 has an object with 'a' twice"),
        ('{"t"\t: 1,"a":1,"a" :2}\n', "line 1 has an object with 'a' twice"),
        ('{"t":"\\u003ax","a":"kim","a":"lee"}\n', "line 1 has an object with 'a' twice"),
        ('{"t":"\\u0022:","a":"kim","a":"lee"}\n', "line 1 has an object with 'a' twice"),
        ('{"t":"\\u0020:","a" :"kim","a":"lee"}\n', "line 1 has an object with 'a' twice"),
        ('[{"a": 1}, {"a": "kim", "a": "lee"}]', "has an object with 'a' twice"),
        ("\n".join(f'{{"a": {{"k{at}": 1}}}}' for at in range(10_001)), "more than 10,000 different names"),
    ],
)
def test_broken_json_is_a_sentence(tmp_path: Path, content: str, words: str) -> None:
    """The line is named, and nothing of it is quoted."""
    with pytest.raises(DataError, match=words) as caught:
        open_files(tmp_path, written(tmp_path, "events.json", content))
    assert "kim" not in str(caught.value)


@pytest.mark.parametrize("rows", ["[{0}, {0}]", "{0}\n{0}\n", '{{"rows": [{0}, {0}]}}'])
def test_a_text_of_digits_is_no_number(tmp_path: Path, rows: str) -> None:
    """However long it is, and over however many pieces of a file."""
    bits = "10" * 12_000
    [source] = open_files(tmp_path, written(tmp_path, "events.json", rows.format(json.dumps({"bits": bits}))))
    assert columns_of(source)["bits"].to_list() == [bits, bits]


BEHIND = ('[{"a": 1}]', '{"a":\n1}', '{"a":\n1}\n"x"', '{"a":\n1}\nnull', '[{"a": 1}, "x"', '[{"a": "x" ')


@pytest.mark.parametrize("before", BEHIND)
@pytest.mark.parametrize("ending", ["", "\n", "]"])
@pytest.mark.parametrize("digits", [1_000, 4_301, 30_000])
def test_digits_behind_a_value_are_refused(tmp_path: Path, before: str, ending: str, digits: int) -> None:
    """Of thousands of them the parser would break down, wherever they stand; the file is cut in any place."""
    for blanks in (0, 8_192 - len(before), 8_192 - len(before) - 1_000):
        file = written(tmp_path, "events.json", " " * blanks + before + "1" * digits + ending)
        with pytest.raises(DataError, match=r"1,000 digits or more in a row|is broken"):
            open_files(tmp_path, file)


def test_an_empty_json_file_is_a_table_without_rows(tmp_path: Path) -> None:
    """An hour without events is no mistake."""
    for content in ("", "\n\n", "[]"):
        assert rows_of(open_files(tmp_path, written(tmp_path, "events.json", content))) == []


RSS = """<?xml version="1.0" encoding="{encoding}"?>
<!-- made by a shop --><rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>Shop</title>
<link>https://shop.invalid</link>
<item><g:id>00123</g:id><title>plain</title><g:title>Größe &amp; Maß</g:title><g:price>12.00 EUR</g:price>
<g:product_type>Home &gt; Sofas</g:product_type>
<g:additional_image_link>/a.jpg</g:additional_image_link><g:additional_image_link>/b.jpg</g:additional_image_link>
<g:shipping><g:country>DE</g:country><g:price>4 EUR</g:price></g:shipping></item>
<item><g:id>2</g:id><g:title><![CDATA[Oak <sofa>]]></g:title><g:price/></item></channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0"><title>Shop</title>
<entry><id>tag:1</id><g:id>00123</g:id><title>Sofa</title><link href="https://shop.invalid/1"/></entry>
<entry><id>tag:2</id><g:id>2</g:id><title>Bed</title><link href="https://shop.invalid/2"/></entry></feed>"""
OTHER = """<SHOP><SHOPITEM sku="1"><NAME>Sofa</NAME></SHOPITEM><SHOPITEM sku="2"><NAME>Bed</NAME></SHOPITEM></SHOP>"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_a_merchant_feed_is_a_table(tmp_path: Path, encoding: str) -> None:
    """Children of an item are columns by their names without prefix; repeated ones are lists, nested ones structs."""
    [source] = open_files(
        tmp_path, written(tmp_path, "feed.xml", RSS.format(encoding=encoding).encode(encoding)), name="items"
    )
    assert "rows are its 2 <item> elements" in source.read_as[0]
    first, second = columns_of(source).drop(ROW, FILE).rows(named=True)
    assert first == {
        "id": "00123",
        "feed:title": "plain",
        "title": "Größe & Maß",
        "price": "12.00 EUR",
        "product_type": "Home > Sofas",
        "additional_image_link": ["/a.jpg", "/b.jpg"],
        "shipping": {"country": "DE", "price": "4 EUR"},
    }
    assert (second["id"], second["title"], second["price"]) == ("2", "Oak <sofa>", None)


def test_atom_and_other_feeds(tmp_path: Path) -> None:
    """Atom entries, and the element that repeats most in other XML; `record` names another one."""
    [atom] = open_files(tmp_path, written(tmp_path, "feed.atom", ATOM), name="items")
    assert columns_of(atom)["id"].to_list() == ["00123", "2"]
    assert columns_of(atom)["link"].to_list() == ["https://shop.invalid/1", "https://shop.invalid/2"]
    [other] = open_files(tmp_path, written(tmp_path, "feed.xml", OTHER), name="items")
    assert rows_of((other,)) == [("1", "Sofa"), ("2", "Bed")]
    [pinned] = open_files(tmp_path, "feed.xml", 'record = "SHOP"', name="items")
    assert rows_of((pinned,)) == [([{"NAME": "Sofa"}, {"NAME": "Bed"}], ["1", "2"])]
    with pytest.raises(DataError, match=r"has no element <ITEM>; mend `data.items.record`"):
        open_files(tmp_path, "feed.xml", 'record = "ITEM"', name="items")


LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "title"),
    [
        ("Red <!-- or not --> sofa", "Red  sofa"),
        ("Red <?any thing?> sofa", "Red  sofa"),
        ("Red <b>big <i>old</i></b> sofa", "Red big old sofa"),
        ("<b>Red</b> sofa", "Red sofa"),
        ("<div>Red</div><div>sofa</div>", "Red  sofa"),
        ("Red<br/>sofa", "Red  sofa"),
    ],
)
def test_all_of_a_text_is_read(tmp_path: Path, content: str, title: str) -> None:
    """Whatever stands between its parts."""
    rows = "".join(f"<item><id>{number}</id><title>{content}</title></item>" for number in range(2))
    [source] = open_files(tmp_path, written(tmp_path, "feed.xml", f"<rss><channel>{rows}</channel></rss>"), name="items")
    assert columns_of(source)["title"].to_list() == [title, title]


@pytest.mark.parametrize("doctype", ['[<!ENTITY eacute "e">]', 'SYSTEM "http://localhost:1/x.dtd"'])
def test_an_entity_is_what_html_calls_so_or_a_sentence(tmp_path: Path, doctype: str) -> None:
    """The text would end before it, and two ids would be one; the file that explains it is not read."""

    def read(entity: str) -> tuple[Source, ...]:
        rows = "".join(f"<item><id>sku{entity}{number}</id></item>" for number in range(2))
        content = f"<!DOCTYPE rss {doctype.replace('eacute', entity[1:-1])}><rss><channel>{rows}</channel></rss>"
        return open_files(tmp_path, written(tmp_path, "feed.xml", content), name="items")

    [source] = read("&eacute;")
    assert columns_of(source)["id"].to_list() == ["skué0", "skué1"]
    with pytest.raises(DataError, match="says &maker; in <id>, and not what that is"):
        read("&maker;")


def test_fields_beside_a_text_stay_fields(tmp_path: Path) -> None:
    """What is no markup of HTML is not glued to the text."""
    prices = "".join(f"<item><id>{at}</id><price>9.99<currency>EUR</currency></price></item>" for at in range(2))
    content = f"<rss><channel>{prices}</channel></rss>"
    [source] = open_files(tmp_path, written(tmp_path, "feed.xml", content), name="items")
    assert columns_of(source)["price"].to_list() == [{"currency": "EUR"}] * 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("<rss><channel><item><id>1</id></item><item>", "no whole XML"),
        ("<rss><channel/></rss>", "no element that repeats"),
        (f"{LAUGHS}]><rss><channel><item><id>&i;</id></item></channel></rss>", "no whole XML"),
        (
            '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><rss><channel><item><id>&f;</id></item></channel></rss>',
            "says &f; in <id>",
        ),
        ("<a>" * 3000 + "</a>" * 3000, "no whole XML|no element that repeats"),
    ],
)
def test_hostile_xml_is_harmless(tmp_path: Path, content: str, words: str) -> None:
    """Cut off, nested without end, entities that multiply or read files: a sentence, and nothing of the file that is named."""
    name = written(tmp_path, "feed.xml", content)
    with pytest.raises(DataError, match=words) as caught:
        open_files(tmp_path, name, name="items")
    assert "root:" not in str(caught.value)


def workbook(path: Path, sheets: dict[str, list[list[Any]]]) -> None:
    """Write sheets of cells."""
    with xlsxwriter.Workbook(path, {"remove_timezone": True}) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for at, row in enumerate(rows):
                sheet.write_row(at, 0, row)


def test_a_workbook_is_a_table(tmp_path: Path) -> None:
    """Cells come as text, ids keep their zeros, titles above the names are passed over, empty sheets too."""
    rows = [["Report of June"], [], COLUMNS.split(","), *([cell or "" for cell in row] for row in ROWS)]
    workbook(tmp_path / "events.xlsx", {"cover": [], "june": rows})
    [source] = open_files(tmp_path, "events.xlsx")
    assert rows_of((source,)) == ROWS
    assert "sheet 'june', column names in line 3" in source.read_as[0]


def test_numbers_and_sheets_of_a_workbook(tmp_path: Path) -> None:
    """Whole numbers have no `.0`; `sheet` picks one of several, and names can be given."""
    workbook(tmp_path / "events.xlsx", {"a": [["user_id", "price"], [7, 12.5]], "b": [[1042, 3], [1043, 4]]})
    [first] = open_files(tmp_path, "events.xlsx")
    assert rows_of((first,)) == [("7", "12.5")]
    assert "2 sheets have rows; another one is named as `data.events.sheet`" in first.read_as[0]
    [second] = open_files(tmp_path, "events.xlsx", 'sheet = "b"\nheader = ["user_id", "price"]')
    assert rows_of((second,)) == [("1042", "3"), ("1043", "4")]
    for more, words in (('sheet = "c"', "has no sheet 'c'"), ('sheet = "b"', "has no line of column names")):
        with pytest.raises(DataError, match=words):
            open_files(tmp_path, "events.xlsx", more)


def test_a_workbook_with_far_cells_is_a_sentence(tmp_path: Path) -> None:
    """A sheet whose last cell is far away would need memory for all the empty ones before it."""
    with xlsxwriter.Workbook(tmp_path / "events.xlsx") as book:
        sheet = book.add_worksheet()
        sheet.write(0, 0, "user_id")
        sheet.write(1_048_575, 9_000, "x")
    with pytest.raises(DataError, match="a sheet of 1,048,576 rows and 9,001 columns"):
        open_files(tmp_path, "events.xlsx")
    cut = (tmp_path / "events.xlsx").read_bytes()[:-100]
    with pytest.raises(DataError, match=r"events\.xlsx is"):
        open_files(tmp_path, written(tmp_path, "events.xlsx", cut))
