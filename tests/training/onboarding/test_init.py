"""`init`: from a shop's files to a settings file that its tables are read by."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from recsys.settings.load import load_settings
from recsys.tables.presets import platform, preset_names
from recsys.tables.shop import read_shop
from recsys.types import DataError
from tests.tables.test_preset_exports import EXPORTS, said
from training.cli.init import Ask, init
from training.onboarding.files import Seen, find_files, look_at
from training.onboarding.proposal import Proposal
from training.onboarding.proposals import propose
from training.onboarding.reading import settle

NOW = datetime(2026, 6, 1, tzinfo=UTC)
GERMAN = "Kunde;Beleg;Zeit;Artikel;Menge;Preis;Gruppe\n" + "".join(
    f"k{at % 4};b{at};{at % 20 + 9:02}.05.2026 10:00;ART-{at % 5};{'-1' if at % 9 == 8 else '2'};{at % 5 + 1},50;Haus/Küche\n"
    for at in range(40)
)


def looked_at(folder: Path, *names: str) -> list[Seen]:
    """Files of a folder, looked at."""
    seen, unread = look_at([folder / name for name in names], folder / "samples")
    assert unread == []
    return seen


def proposed(folder: Path, text: str) -> Proposal:
    """What is proposed for a file of this text."""
    (folder / "file.csv").write_text(text)
    found = propose(looked_at(folder, "file.csv")[0])
    assert found
    return found


@pytest.mark.parametrize("preset", preset_names())
def test_each_platforms_export_is_recognised(preset: str, tmp_path: Path) -> None:
    """The files of a platform are told by their columns, whatever they are called, as the tables that they are."""
    shutil.copytree(EXPORTS / preset, tmp_path, dirs_exist_ok=True)
    for file in sorted([*tmp_path.glob("events.*"), *tmp_path.glob("items.*")]):
        renamed = file.rename(file.with_name(f"export{file.suffix}"))
        found = propose(looked_at(tmp_path, renamed.name)[0])
        assert found
        assert (found.table, found.preset) == (file.stem, preset)


@pytest.mark.long
@pytest.mark.parametrize("preset", ["shopify", "olist", "segment_warehouse"])
def test_a_recognised_export_is_read_as_by_its_preset(preset: str, tmp_path: Path) -> None:
    """The settings that are written read a platform's files as its preset means them."""
    shutil.copytree(EXPORTS / preset, tmp_path / "exports")
    out = tmp_path / "settings.toml"
    expected = json.loads((tmp_path / "exports" / "expected.json").read_text())
    (tmp_path / "exports" / "expected.json").unlink()
    assert init([str(tmp_path / "exports")], out, NOW, yes=True) == 0
    assert said(read_shop(load_settings(out))) == expected


@pytest.mark.long
def test_a_zone_is_asked_for_where_the_platform_does_not_say_it(tmp_path: Path) -> None:
    """Magento's API writes UTC without saying so, and H&M days; an export of PrestaShop has the shop's time."""
    for preset, asked in (("magento", False), ("hm", False), ("prestashop", True)):
        folder = tmp_path / preset
        shutil.copytree(EXPORTS / preset, folder)
        found = propose(looked_at(folder, *[path.name for path in folder.glob("events.*")])[0])
        assert found
        assert any("name no zone" in doubt for doubt in found.unsure) == asked


def test_a_shops_own_export_is_read_by_names_and_values(tmp_path: Path) -> None:
    """Semicolons, decimal commas, days first, returns and levels are told by the values, each with its evidence, and pinned."""
    (tmp_path / "umsatz.csv").write_bytes(GERMAN.encode("windows-1252"))
    out = tmp_path / "settings.toml"
    assert init([str(tmp_path / "*.csv")], out, NOW, yes=True) == 0
    settings, text = load_settings(out), out.read_text()
    table = settings.data.events
    assert (table.separator, table.encoding, table.decimal, table.day_first) == (";", "windows-1252", ",", True)
    assert (table.timezone, table.category_separator, table.paths) == ("UTC", "/", ("umsatz.csv",))
    assert "Zeit puts the day first: " in text
    assert "LOOK AT THIS: the times of Zeit name no zone" in text
    events = read_shop(settings).events.collect()
    assert dict(events.group_by("event_type").len().iter_rows()) == {"purchase": 36, "refund": 4}
    assert events["price"].max() == 5.5
    assert events["category"].unique().to_list() == ["Haus > Küche"]


def test_a_settings_file_is_never_overwritten_unasked(tmp_path: Path) -> None:
    """A script is refused, a person is asked, and only a yes overwrites."""
    (tmp_path / "events.csv").write_text(GERMAN)
    out = tmp_path / "settings.toml"
    out.write_text("# mine\n")
    for yes in (True, False):
        with pytest.raises(DataError, match="is there already; name another file with --out"):
            init([str(tmp_path / "events.csv")], out, NOW, yes=yes, ask=_answers("n"))
    assert out.read_text() == "# mine\n"
    assert init([str(tmp_path / "events.csv")], out, NOW, yes=False, ask=_answers("y", "Europe/Berlin")) == 0
    assert load_settings(out).data.events.timezone == "Europe/Berlin"


def test_words_and_days_are_asked_for(tmp_path: Path) -> None:
    """An unknown event word and a date that nothing proves are questions; the answers stand in the settings."""
    rows = "".join(f"u{at},0{at % 9 + 1}/05/2026,{'ping' if at % 3 else 'view'},i{at % 4}\n" for at in range(30))
    (tmp_path / "e.csv").write_text(f"customer,when,what,article\n{rows}")
    out = tmp_path / "settings.toml"
    assert init([str(tmp_path / "e.csv")], out, NOW, yes=False, ask=_answers("UTC", "day", "-")) == 0
    table = load_settings(out).data.events
    assert (table.day_first, dict(table.event_types)) == (True, {"ping": ""})
    assert read_shop(load_settings(out)).events.select(pl.len()).collect().item() == 10


def test_days_with_arabic_decimal_marks_are_days(tmp_path: Path) -> None:
    """`٠١٫١٢٫٢٠٢٥` is a day with points, and days above 12 prove the order."""
    rows = "".join(f"u{at},{at % 28 + 1:02}.12.2025,view,i{at % 4}\n" for at in range(30))
    arabic = rows.translate(str.maketrans(".0123456789", "٫٠١٢٣٤٥٦٧٨٩"))
    found = proposed(tmp_path, f"customer,when,what,article\n{arabic}")
    assert (found.settings["columns"]["timestamp"], found.settings["day_first"]) == ("when", True)


def test_nothing_is_told_by_one_row(tmp_path: Path) -> None:
    """One date that proves the order of day and month is not enough to read the others by."""
    one = "".join(f"u{at},0{at % 9 + 1}/05/2026,view,i1\n" for at in range(20)) + "u1,13/05/2026,view,i1\n"
    found = proposed(tmp_path, f"customer,when,what,article\n{one}")
    assert "day_first" not in found.settings
    assert any("set `day_first`" in doubt for doubt in found.unsure)


def test_what_happened_is_asked_where_no_column_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Users, items and times alone do not say what happened: a person is asked, a script is told what to set."""
    rows = "".join(f"u{at % 7},2026-05-01T1{at % 9}:00:00Z,i{at % 4}\n" for at in range(30))
    (tmp_path / "e.csv").write_text(f"customer,when,article\n{rows}")
    out = tmp_path / "settings.toml"
    with pytest.raises(DataError, match="event_type"):
        init([str(tmp_path / "e.csv")], out, NOW, yes=True)
    assert "set `event_type` under `[data.events.constants]`" in capsys.readouterr().out
    init([str(tmp_path / "e.csv")], out, NOW, yes=False, ask=_answers("view"))
    assert read_shop(load_settings(out)).events.collect()["event_type"].unique().to_list() == ["view"]


def test_a_canonical_name_is_taken_whatever_stands_in_it(tmp_path: Path) -> None:
    """A column that has the name of a canonical one is that one, for the reader takes it so: what is wrong in it is a finding."""
    rows = "20260608\n46181.5\n711\n0000-00-00\n1970-01-01\n".replace("\n", ",view,TIN\n")
    found = proposed(tmp_path, "timestamp,event_type,item_id,user_id\n" + rows.replace("TIN\n", "TIN,q1\n"))
    assert found.settings["columns"]["timestamp"] == "timestamp"


def test_what_is_not_recognised_is_named_with_what_is_needed(tmp_path: Path) -> None:
    """Without events nothing is written, and the sentence names the columns seen and those that are needed."""
    (tmp_path / "pairs.csv").write_text("user,item\n1,2\n2,3\n")
    with pytest.raises(DataError) as error:
        init([str(tmp_path)], tmp_path / "settings.toml", NOW, yes=True)
    assert "It has the columns: user, item." in str(error.value)
    assert "(not found: timestamp)" in str(error.value)
    assert not (tmp_path / "settings.toml").exists()


@pytest.mark.long
def test_orders_that_do_not_stand_are_told_by_their_words(tmp_path: Path) -> None:
    """A column whose words say paid and cancelled tells how orders stand; one of the places that people live in does not."""
    rows = "".join(
        f"o{at},u{at},2026-05-0{at % 9 + 1}T10:00:00Z,i{at % 3},{'cancelled' if at % 4 else 'paid'}\n" for at in range(12)
    )
    assert proposed(tmp_path, f"order,customer,when,sku,state\n{rows}").settings["void_orders"] == ["state"]
    places = rows.replace("cancelled", "Ohio").replace("paid", "Utah")
    assert "void_orders" not in proposed(tmp_path, f"order,customer,when,sku,state\n{places}").settings


def test_lines_that_go_on_the_row_above_are_told(tmp_path: Path) -> None:
    """Rows whose order, buyer and moment are empty together continue the row above, and are not left out."""
    first, second = "E1,2026-05-01T10:00:00Z,b1,PLATE,2\n,,,BOWL,1\n,,,JUG,1\n", "E2,2026-05-02T10:00:00Z,b2,BOWL,1\n"
    text = f"Number,Date,Buyer,Article,Count\n{first}{second}"
    settings = proposed(tmp_path, text).settings
    assert settings["fill_down"] == {"columns": ["Number", "Buyer", "Date"]}
    assert "where" not in settings


def test_what_stands_on_the_first_line_of_an_order_is_told(tmp_path: Path) -> None:
    """State, currency and cancellation that only first lines carry hold for the order; a discount of the first line does not."""
    lines = [f"o{at},u{at},2026-05-01T10:00:00Z,A,paid,EUR,,1\no{at},u{at},2026-05-01T10:00:00Z,B,,,," for at in range(4)]
    text = "Order,Mail,Placed,Code,Pay state,Coin,Voided on,Discount\n" + "\n".join(lines) + "\n"
    assert proposed(tmp_path, text.replace("EUR,,1", "EUR,2026-05-02,1", 1)).settings["fill_down"] == {
        "key": "Order",
        "columns": ["Coin", "Pay state"],
    }


def test_rows_of_nobody_are_said_with_their_share(tmp_path: Path) -> None:
    """Rows without a user stay, for they count for items; the evidence says how many there are."""
    rows = "".join(f"{'' if at % 4 else f'u{at}'},2026-05-01T10:00:00Z,view,i{at}\n" for at in range(20))
    found = proposed(tmp_path, f"customer,when,what,sku\n{rows}")
    assert "where" not in found.settings
    assert "75% of the rows looked at have no customer: they are nobody's, and count for items alone" in found.evidence


def test_files_that_are_written_differently_are_not_pinned(tmp_path: Path) -> None:
    """Where files of one table differ in separator, none is pinned, and both are read."""
    for name, sign in (("a.csv", ","), ("b.csv", ";")):
        rows = ["customer,when,what,sku", *(f"{name}{at},2026-05-01T10:00:00Z,view,i{at}" for at in range(5))]
        (tmp_path / name).write_text("\n".join(rows).replace(",", sign))
    assert init([str(tmp_path)], tmp_path / "settings.toml", NOW, yes=True) == 0
    settings = load_settings(tmp_path / "settings.toml")
    assert settings.data.events.separator == ""
    assert read_shop(settings).events.select(pl.len()).collect().item() == 10


PACKED = "name:Mittens|sku:MIT-1|quantity:2|total:24.00;name:Hat|sku:HAT-1|quantity:1|total:18.00"
AS_JSON = '"[{""name"": ""Mittens"", ""sku"": ""MIT-1"", ""quantity"": 2, ""total"": 24.0}, {""name"": ""Hat"", ""sku"": ""HAT-1""}]"'


@pytest.mark.long
@pytest.mark.parametrize("cell", [PACKED, AS_JSON])
def test_several_items_in_a_cell_are_told(cell: str, tmp_path: Path) -> None:
    """Packed text and JSON in a cell become a row for each item, whose own total counts and not that of the order."""
    states = ["completed", "completed", "cancelled", "completed"]
    rows = "".join(f"{at},2026-05-0{at + 1}T08:00:00Z,{state},c{at},42.00,{cell}\n" for at, state in enumerate(states))
    (tmp_path / "orders.csv").write_text(f"number,made,state,customer,total,lines\n{rows}")
    init([str(tmp_path)], tmp_path / "settings.toml", NOW, yes=True)
    events = read_shop(load_settings(tmp_path / "settings.toml")).events.collect()
    assert sorted(events["item_id"]) == ["HAT-1"] * 3 + ["MIT-1"] * 3
    assert events.filter(item_id="MIT-1")["price"].to_list() == [12.0] * 3


@pytest.mark.long
@pytest.mark.parametrize(("cells", "rows"), [(("A1,B2,C3", "B2", "A1,D4"), 6), (('["A1","B2"]', '["C3"]', "[]"), 4)])
def test_several_ids_in_a_cell_are_told(cells: tuple[str, ...], rows: int, tmp_path: Path) -> None:
    """Ids with a sign between them that stand alone elsewhere, and JSON lists, become a row for each."""
    made = [
        {"customer": f"c{at}", "made": "2026-05-01T08:00:00Z", "order": at, "skus": cell} for at, cell in enumerate(cells)
    ]
    pl.DataFrame(made).write_csv(tmp_path / "orders.csv")
    init([str(tmp_path)], tmp_path / "settings.toml", NOW, yes=True)
    events = read_shop(load_settings(tmp_path / "settings.toml")).events.collect()
    assert (events.height, "unnest" in (tmp_path / "settings.toml").read_text()) == (rows, True)
    assert events["item_id"].drop_nulls().str.len_chars().unique().to_list() == [2]


def test_a_quote_that_only_the_whole_file_shows_is_a_sentence(tmp_path: Path) -> None:
    """What the reader meets in the end is said as the problem of the table."""
    names = "id_or[er;id_cus{omer;date_add;valid;iso_code;product_id;]roduct_reference;product-name;product_q<antity;"
    rows = [f"1{at};3;2026-05-0{at} 10:00:00;{at != 2:d};EUR;1;demo_1;Mug;2;14.280000" for at in (1, 1, 2, 3)]
    text = "\n".join([f"{names}unit_price_tax_incl", rows[0].replace("-05", '"05', 1), *rows[1:], ""])
    problem = settle(proposed(tmp_path, text)).problem
    assert "a quote is opened and not closed" in problem


def test_example_rows_show_nobodys_id(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the people in the example rows only the shape of their ids is printed."""
    (tmp_path / "e.csv").write_text("email,when,what,sku\n" + "ann.smith@example.com,2026-05-01T10:00:00Z,view,CUP\n" * 3)
    init([str(tmp_path / "e.csv")], tmp_path / "settings.toml", NOW, yes=True)
    printed = capsys.readouterr().out
    assert "ann.smith" not in printed
    assert "CUP" in printed


def test_only_the_start_of_a_large_file_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text file beyond the bound is looked at in whole lines of its start, under its own name."""
    monkeypatch.setattr("training.onboarding.files._BYTES", 200)
    (tmp_path / "big.csv").write_text("customer,when,what,sku\n" + "u1,2026-05-01T10:00:00Z,view,CUP\n" * 50)
    [seen] = looked_at(tmp_path, "big.csv")
    assert seen.rows.height == 5
    assert seen.paths == (tmp_path / "big.csv",)


def test_files_are_found_by_folder_and_glob(tmp_path: Path) -> None:
    """A folder means its tables, not its notes; what names nothing is an error."""
    for name in ("a.csv", "b.parquet", "README.md", ".hidden.csv"):
        (tmp_path / name).write_text("x")
    assert [path.name for path in find_files([str(tmp_path)])] == ["a.csv", "b.parquet"]
    with pytest.raises(DataError, match="there is no file that holds a table"):
        find_files([str(tmp_path / "*.xml")])


def test_signatures_tell_exports_apart() -> None:
    """No two presets of one table share a signature."""
    signatures = [
        (table, frozenset(layout))
        for name in preset_names()
        for table in ("events", "items", "users")
        for layout in getattr(getattr(platform(name), table), "signature", ())
    ]
    assert len(signatures) == len(set(signatures))


def _answers(*texts: str) -> Ask:
    left: Iterator[str] = iter(texts)
    return lambda _question: next(left, "")
