"""`init` on a series of files, such as one a year, whose columns changed on the way."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from recsys.settings.load import load_settings
from recsys.tables.shop import read_shop
from training.cli.init import init
from training.onboarding.choosing import together
from training.onboarding.files import find_files, look_at
from training.onboarding.proposals import propose

NOW = datetime(2026, 1, 10, tzinfo=UTC)
OLD = "Kunde;Bestelldatum;Bestellnummer;Artikelnummer;Menge;Einzelpreis\n" + "".join(
    f"k{at % 7};{at % 28 + 1:02}.12.2024 10:00;A{at};ART-{at % 5};1;{at % 5 + 1},50\n" for at in range(30)
)
NEW = "Bestellnummer;Kundennummer;Bestelldatum;Artikelnummer;Menge;Einzelpreis;Status;Coupon\n" + "".join(
    f"B{at};k{at % 9};{at % 28 + 1:02}.12.2025 10:00;ART-{at % 6};2;{at % 6 + 1},50;"
    f"{'storniert' if at % 10 == 9 else 'versendet'};{'SOMMER' if at % 4 == 0 else ''}\n"
    for at in range(30)
)


def read(folder: Path, **files: str) -> tuple[list[tuple[object, ...]], str]:
    """The events of each year by what `init` writes, with their users, units and coupons; and the settings as text."""
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    out = folder / "settings.toml"
    assert init([str(folder / "*.csv")], out, NOW, yes=True) == 0
    events = read_shop(load_settings(out)).events.group_by(pl.col("timestamp").dt.year().alias("year"))
    years = events.agg(pl.len(), pl.col("user_id").n_unique(), pl.col("quantity").sum(), pl.col("coupon").count())
    return years.sort("year").collect().rows(), out.read_text()


def test_a_file_a_year_is_read_with_columns_that_were_renamed_and_added(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A customer under two names, an order's state and a coupon that came later, all in another order of columns."""
    years, text = read(tmp_path, orders_2024=OLD, orders_2025=NEW)
    assert years == [(2024, 30, 7, 30.0, 0), (2025, 27, 9, 54.0, 8)]
    assert "breaks the rule" not in capsys.readouterr().out, "a file without states has none that is unknown"
    assert 'paths = [\n    "orders_2024.csv",\n    "orders_2025.csv",\n]' in text
    assert "user_id is Kundennummer or Kunde" in text.replace("\n# ", " ")


def test_a_file_a_year_is_read_with_its_own_spelling_of_names(tmp_path: Path) -> None:
    """Other capitals, blanks and order of the same columns."""
    head, rows = NEW.split("\n", 1)
    years, _ = read(
        tmp_path,
        orders_2025=NEW,
        orders_2023=f"{head.upper().replace('_', ' ')}\n{rows.replace('2025', '2023').replace('B', 'A')}",
    )
    assert [row[:2] for row in years] == [(2023, 27), (2025, 27)]


@pytest.mark.parametrize("iso", [2024, 2025])
def test_a_file_a_year_may_write_its_dates_by_another_order(iso: int, tmp_path: Path) -> None:
    """ISO dates need no word on which comes first; dates of the same form that prove nothing do."""
    old, new = (re.sub(r"(\d\d)\.(\d\d)\.(\d{4})", r"\3-\2-\1", text) if str(iso) in text else text for text in (OLD, NEW))
    years, text = read(tmp_path, orders_2024=old, orders_2025=new)
    assert [row[:2] for row in years] == [(2024, 30), (2025, 27)]
    assert "day_first = true" in text


def test_a_year_whose_dates_prove_no_order_takes_none_of_another(tmp_path: Path) -> None:
    """The 1st of each month may be January of each day."""
    (tmp_path / "orders_2024.csv").write_text(OLD)
    (tmp_path / "orders_2025.csv").write_text(re.sub(r"\d\d\.12\.2025", "01.12.2025", NEW))
    seen, _ = look_at(find_files([str(tmp_path / "*.csv")]), tmp_path / "samples")
    [events], [said] = together([found for each in seen if (found := propose(each))])
    assert len(events.seen) == 1
    assert "`day_first` is for one of both" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("Kundennummer", "Kunde"), ""),
        (("Einzelpreis", "Zeilensumme"), "one has prices of units and the other of lines"),
        (("Status;Coupon", "Ereignis;Coupon"), "`constants` is for one of both"),
    ],
)
def test_what_cannot_be_matched_is_named_with_what_to_write(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    """The richer file is read alone, and nobody has to find out why."""
    (tmp_path / "orders_2024.csv").write_text(OLD)
    new = (
        NEW.replace(*change).replace("versendet", "purchase").replace("storniert", "refund")
        if "Ereignis" in change[1]
        else NEW
    )
    (tmp_path / "orders_2025.csv").write_text(new.replace(*change))
    seen, _ = look_at(find_files([str(tmp_path / "*.csv")]), tmp_path / "samples")
    [events], unused = together([found for each in seen if (found := propose(each))])
    assert len(events.seen) == (1 if said else 2)
    assert len(unused) == bool(said)
    assert all(said in each and "Name both under `paths`" in each for each in unused)


def test_other_files_of_events_are_no_series(tmp_path: Path) -> None:
    """A second table under another name may hold the same events again."""
    (tmp_path / "orders.csv").write_text(OLD)
    (tmp_path / "lines.csv").write_text(NEW)
    seen, _ = look_at(find_files([str(tmp_path / "*.csv")]), tmp_path / "samples")
    [events], [said] = together([found for each in seen if (found := propose(each))])
    assert len(events.seen) == 1
    assert "looks like events too, and is not used" in said
