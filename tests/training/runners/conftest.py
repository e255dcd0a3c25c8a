"""A shop that is trained in partitions."""

from __future__ import annotations

import pytest

from recsys.settings import Settings
from recsys.settings.load import parse_settings
from simulator import make_shop, shop_settings
from tests.support.shops.synthetic import END

TABLES = ("events", "items", "users", "identities", "contents")


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings over a synthetic shop with links, guests, refunds and people."""
    folder = tmp_path_factory.mktemp("synthetic")
    make_shop(folder / "data", users=300, end=END)
    return parse_settings(f'{shop_settings(tables=TABLES)}\n[ranker]\nmode = "off"\n', folder)
