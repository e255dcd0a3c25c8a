"""The open cases of files: read by the whole job, or refused in words that repeat nobody's data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from recsys.settings.load import parse_settings
from recsys.tables.shop import read_shop
from recsys.types import DataError
from training.__main__ import main

NEEDED = pytest.mark.skipif("RECSYS_CASES" not in os.environ, reason="RECSYS_CASES does not name the folder of open cases")
CASES = Path(os.environ.get("RECSYS_CASES", ""))
WRAPPED = CASES / "files-05-encodings-and-wrapping"
HEADLESS = CASES / "files-06-no-header-line"
FILES = ["utf16.csv", "sep-line.csv", "preamble.csv", "bom.ndjson", "array.json", "plain.txt", "orders.csv.zip"]


@NEEDED
@pytest.mark.parametrize("name", FILES)
def test_the_same_events_packed_differently(tmp_path: Path, name: str) -> None:
    """Three events, of items 0071 and #12, with 12.00 bought."""
    shop = read_shop(parse_settings(f'data.events.paths = ["{WRAPPED / name}"]', tmp_path))
    events = shop.events.collect()
    assert events["item_id"].to_list() == ["0071", "0071", "#12"]
    assert events.filter(event_type="purchase")["price"].sum() == 12.0


@NEEDED
def test_a_column_named_with_letters_of_windows(tmp_path: Path) -> None:
    """The mapping names a column as people write it, whatever bytes the file has for it."""
    columns = "columns = { user_id = 'Kunde', item_id = 'Artikel', timestamp = 'Zeit', channel = 'Größe' }"
    more = "constants = { event_type = 'view' }"
    shop = read_shop(parse_settings(f"[data.events]\npaths = ['{WRAPPED}/cp1252.csv']\n{columns}\n{more}", tmp_path))
    assert shop.events.select("item_id", "channel").collect().rows() == [("0071", "groß")]


@NEEDED
def test_a_stream_without_names(tmp_path: Path) -> None:
    """Refused without a value of its first line; read once the names are given."""
    text = (HEADLESS / "settings.toml").read_text().replace("stream.tsv", str(HEADLESS / "stream.tsv"))
    with pytest.raises(DataError, match="has no line of column names") as caught:
        read_shop(parse_settings(text, tmp_path))
    assert [value for value in ("198.51", "v-1", "PAN", "2026") if value in str(caught.value).replace(str(CASES), "")] == []
    names = 'header = ["at", "kind", "visitor", "customer", "address", "item", "order"]\npaths ='
    events = read_shop(parse_settings(text.replace("paths =", names), tmp_path)).events.collect()
    assert (events.height, events.filter(event_type="purchase").select("user_id", "order_id").rows()) == (4, [("c-9", "K1")])


@NEEDED
def test_validate_says_what_files_were_read_as(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Guesses stand in the output with their evidence."""
    (tmp_path / "settings.toml").write_text(f'data.events.paths = ["{WRAPPED}/preamble.csv"]')
    main(["--settings", str(tmp_path / "settings.toml"), "validate"])
    told = " ".join(capsys.readouterr().out.split())
    assert "events read as" in told
    assert "the 3 lines above are passed over" in told
