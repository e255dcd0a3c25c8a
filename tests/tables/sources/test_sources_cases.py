"""The open cases of files: read by the whole job, or refused in words that repeat nobody's data."""

from __future__ import annotations

from pathlib import Path

import pytest

from recsys.settings.load import parse_settings
from recsys.tables.shop import read_shop
from recsys.types import DataError
from tests.support.cases import CASES, folder_of, needs_cases
from training.__main__ import main

WRAPPED, HEADLESS = "files-05-encodings-and-wrapping", "files-06-no-header-line"
FILES = ["utf16.csv", "sep-line.csv", "preamble.csv", "bom.ndjson", "array.json", "plain.txt", "orders.csv.zip"]


@needs_cases
@pytest.mark.parametrize("name", FILES)
def test_the_same_events_packed_differently(tmp_path: Path, name: str) -> None:
    """Three events, of items 0071 and #12, with 12.00 bought."""
    shop = read_shop(parse_settings(f'data.events.paths = ["{folder_of(WRAPPED) / name}"]', tmp_path))
    events = shop.events.collect()
    assert events["item_id"].to_list() == ["0071", "0071", "#12"]
    assert events.filter(event_type="purchase")["price"].sum() == 12.0


@needs_cases
def test_a_column_named_with_letters_of_windows(tmp_path: Path) -> None:
    """The mapping names a column as people write it, whatever bytes the file has for it."""
    columns = "columns = { user_id = 'Kunde', item_id = 'Artikel', timestamp = 'Zeit', channel = 'Größe' }"
    more = "constants = { event_type = 'view' }"
    shop = read_shop(
        parse_settings(f"[data.events]\npaths = ['{folder_of(WRAPPED)}/cp1252.csv']\n{columns}\n{more}", tmp_path)
    )
    assert shop.events.select("item_id", "channel").collect().rows() == [("0071", "groß")]


@needs_cases
def test_a_stream_without_names(tmp_path: Path) -> None:
    """Refused without a value of its first line; read once the names are given."""
    text = (folder_of(HEADLESS) / "settings.toml").read_text().replace("stream.tsv", str(folder_of(HEADLESS) / "stream.tsv"))
    with pytest.raises(DataError, match="has no line of column names") as caught:
        read_shop(parse_settings(text, tmp_path))
    assert [value for value in ("198.51", "v-1", "PAN", "2026") if value in str(caught.value).replace(CASES, "")] == []
    names = 'header = ["at", "kind", "visitor", "customer", "address", "item", "order"]\npaths ='
    events = read_shop(parse_settings(text.replace("paths =", names), tmp_path)).events.collect()
    assert (events.height, events.filter(event_type="purchase").select("user_id", "order_id").rows()) == (4, [("c-9", "K1")])


@needs_cases
def test_validate_says_what_files_were_read_as(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Guesses stand in the output with their evidence."""
    (tmp_path / "settings.toml").write_text(f'data.events.paths = ["{folder_of(WRAPPED)}/preamble.csv"]')
    main(["--settings", str(tmp_path / "settings.toml"), "validate"])
    stated = " ".join(capsys.readouterr().out.split())
    assert "events read as" in stated
    assert "the 3 lines above are passed over" in stated
