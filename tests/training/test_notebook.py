"""A shop in a notebook: DataFrames in and out, through the job that trains and the pipeline that serves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recsys.types import DataError
from tests.conftest import ITEMS, NOW, ago, event
from training import notebook

EVENTS = [
    event(f"u{user}", item, kind, ago(days=1 + user + at / 10), order_id=f"o{user}" if kind == "purchase" else None)
    for user in range(12)
    for at, (item, kind) in enumerate(
        [("sofa-1", "view"), ("sofa-1", "purchase"), ("lamp-1", "purchase"), ("lamp-2", "view"), ("bag-1", "view")][
            user % 2 :
        ]
    )
]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> notebook.Shop:
    """A shop given as DataFrames."""
    frames = {
        "events": pl.DataFrame(EVENTS, infer_schema_length=None),
        "items": pl.DataFrame(ITEMS, infer_schema_length=None),
    }
    return notebook.open(frames, artifacts=tmp_path_factory.mktemp("artifacts"), now=NOW)


def test_lists_are_frames_with_titles(opened: notebook.Shop) -> None:
    """A list has a row an item, best first, with what people call it; a bought item is not shown again."""
    shown = opened.recommend("u0", limit=5)
    assert shown["rank"].to_list() == list(range(1, shown.height + 1))
    assert 0 < shown.height <= 5
    titles = {item["item_id"]: item["title"] for item in ITEMS}
    assert shown["title"].to_list() == [titles[item] for item in shown["item_id"]]
    assert not {"sofa-1", "lamp-1", "gone-1"} & {*shown["item_id"]}


def test_lists_keep_to_what_is_asked(opened: notebook.Shop) -> None:
    """A category, a placement and nobody in particular are asked as the service is."""
    assert opened.recommend(category="Home > Lamps")["category"].unique().to_list() == ["Home > Lamps"]
    assert "sofa-1" not in opened.similar("sofa-1")["item_id"].to_list()
    assert opened.similar("sofa-1").height > 0
    with pytest.raises(DataError, match=r"placement 'hom': there are .*home"):
        opened.recommend("u0", placement="hom")
    with pytest.raises(DataError, match="category 'Hom': no item is in it"):
        opened.recommend("u1", category="Hom")
    with pytest.raises(DataError, match="limit 0: at least 1"):
        opened.recommend("u1", limit=0)
    with pytest.raises(DataError, match="has no such item"):
        opened.similar("sofa-99")


def test_evaluation_is_a_frame(opened: notebook.Shop) -> None:
    """Each task and subject has a row with its metrics and interval; findings are rows too."""
    measured = opened.evaluate(days=5)
    assert {"task", "kind", "subject", "users", "ndcg10", "ndcg10_low", "ndcg10_high"} <= {*measured.columns}
    assert "blend" in measured["kind"].to_list()
    assert opened.findings().height == 0


@pytest.mark.long
def test_a_folder_needs_no_settings(tmp_path: Path) -> None:
    """A folder of exports gets its settings first, and keeps them; a settings file is opened as it is."""
    folder = tmp_path / "exports"
    folder.mkdir()
    pl.DataFrame(EVENTS, infer_schema_length=None).write_csv(folder / "events.csv")
    opened = notebook.open(folder, artifacts=tmp_path / "artifacts", now=NOW)
    assert opened.recommend("u1").height > 0
    assert (folder / "settings.toml").exists()
    again = notebook.open(folder / "settings.toml", artifacts=tmp_path / "artifacts", now=NOW)
    assert again.recommend("u1")["item_id"].to_list() == opened.recommend("u1")["item_id"].to_list()


def test_a_frame_of_no_table_is_named(tmp_path: Path) -> None:
    """A DataFrame under a name that is no table's is refused with those that are."""
    with pytest.raises(DataError, match="'orders' is no table; allowed: events, items"):
        notebook.open({"orders": pl.DataFrame()}, artifacts=tmp_path)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"items": pl.DataFrame()}, "the table events is needed; there are items"),
        ({"events": pl.LazyFrame()}, "events is a LazyFrame, and no Polars DataFrame"),
        (7, "int cannot be opened: give a settings file"),
    ],
)
def test_what_is_no_shop_is_said_in_words(source: Any, said: str, tmp_path: Path) -> None:
    """Tables that are missing or no DataFrames, and what is no source at all, end in a sentence."""
    with pytest.raises(DataError, match=said):
        notebook.open(source, artifacts=tmp_path)
