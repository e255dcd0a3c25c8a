"""Tables from which nothing can be recommended: said in a sentence, and never published."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from recsys.snapshot.store import versions
from recsys.tables.checks.cleaning import LATER, ZERO
from recsys.types import GateError
from tests.conftest import micros
from tests.support.cases import NOW, Case, as_it_comes, needs_cases, open_case
from training.cli import tables

pytestmark = needs_cases
NOTHING, SPREADSHEET, DATES = (
    "control-07-training-on-nothing",
    "ids-01-touched-by-a-spreadsheet",
    "times-04-far-ahead-and-zero",
)


def refused(case: Case) -> str:
    """Train for the first time, and read why nothing is published."""
    with pytest.raises(GateError) as error:
        case.train()
    assert versions(case.folder / "artifacts") == []
    return str(error.value)


def test_events_without_items_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve purchases of nothing: the sentence names the column to look at; no reason publishes a shop without items."""
    case = open_case(NOTHING, tmp_path, monkeypatch)
    said = refused(case)
    assert (
        "12 of 12 events (100.0%) of views, carts and purchases name no item: look at `data.events.columns.item_id`" in said
    )
    assert "0 of 0 items can be shown" in said
    with pytest.raises(GateError):
        case.train(force="I like it empty")
    assert versions(case.folder / "artifacts") == []


def test_events_all_of_1970_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers that are no times are not the past of a shop."""
    case = open_case(NOTHING, tmp_path, monkeypatch)
    text = (case.folder / "events.csv").read_text()
    (case.folder / "events.csv").write_text(text.replace("2026-06-01", "1970-01-01").replace("item_id,empty", "x,item_id"))
    settings = case.settings
    assert settings.web.clock == "events"
    (case.folder / "events.csv").write_text(text.replace("2026-06-01", "1970-01-01").replace("item_id,empty", "thing,empty"))
    assert "12 of 12 events (100.0%) are of 1970" in refused(case)


def test_ids_that_do_not_meet_are_a_headline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No event's item is in the item table: the first line says so, which repair of ids would match, and names them; train stops."""
    case = as_it_comes(SPREADSHEET, tmp_path)
    assert tables.validate(case.settings, NOW) == 1
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("✗ item ids: 6 of 6 events (100.0%) are of items that the item table lacks; 5 would match if ")
    for words in ("blanks", "upper and lower case", "`.0`", "leading zeros", "'71' is '0071'", "'qx-1 ' is 'QX-1'"):
        assert words in first
    assert first.partition("✗ item ids: ")[2] in refused(case)
    [spelled] = [each for each in case.read().findings if "the same id" in each.rule]
    assert (spelled.rows, spelled.example) == (4, "' 4711', '4711', '4711.0'")


def test_dates_far_ahead_and_of_zero_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """2099 and 1970 are two findings with count and example; four events are left, and the snapshot ends with them."""
    case = open_case(DATES, tmp_path, monkeypatch)
    fitted = case.train()
    found = {each.rule: (each.rows, each.example[:10]) for each in fitted.shop.findings}
    assert found == {LATER: (1, "2099-12-31"), ZERO: (1, "1970-01-01")}
    assert (fitted.manifest.counts["events"], fitted.shop.counts["events"].implausible) == (4, 2)
    assert fitted.manifest.as_of == micros(datetime(2026, 6, 4, 10, tzinfo=UTC))


def test_too_many_of_them_stop_a_publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A third of the events ahead of now is no stray line."""
    case = open_case(DATES, tmp_path, monkeypatch)
    case.add_lines("events.csv", *(f"r{n},2099-12-31,view,BOX" for n in range(7, 10)))
    assert "4 of 9 events (44.4%) are later than now" in refused(case)
