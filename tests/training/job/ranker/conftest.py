"""The shop of fashion, on which a ranker can be learned."""

from __future__ import annotations

import pytest

from recsys.settings import Settings
from tests.conftest import NOW, Shop
from tests.support.shops.fashion import fashion_shop, with_ranker
from training.job.job import Prepared, prepare


@pytest.fixture(scope="module")
def fashion(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shop, Settings, Prepared]:
    """The shop, read."""
    shop = fashion_shop(tmp_path_factory.mktemp("fashion"))
    shop.write()
    settings = with_ranker(shop.settings)
    return shop, settings, prepare(settings, now=NOW)
