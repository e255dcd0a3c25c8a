"""Small inputs that a shop could have (`RECSYS_CASES`), read with the settings as their owner would write them (tests/cases)."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from flask.testing import FlaskClient

from recsys.settings import Settings
from recsys.settings.load import parse_settings
from recsys.tables.shop import ShopTables, read_shop
from recsys.web.app import create_app
from tests.support.training import train

OVERLAYS = Path(__file__).parents[1] / "cases"
CASES = os.environ.get("RECSYS_CASES", "")
needs_cases = pytest.mark.skipif(not CASES, reason="RECSYS_CASES is unset: no cases to read")


@dataclass(frozen=True)
class Case:
    """One case, with settings, read and served from a folder of its own."""

    settings: Settings

    @cached_property
    def shop(self) -> ShopTables:
        """Its tables, as training reads them."""
        return read_shop(self.settings)

    @cached_property
    def client(self) -> FlaskClient:
        """A client of the service over what training makes of it; the gate refuses so little data, unless forced."""
        train(self.settings, now=datetime.now(UTC), force="a case is no shop")
        return create_app(self.settings, {}).test_client()

    def listed(self, user: str = "somebody-new") -> list[str]:
        """What a shopper is shown, best first."""
        answer = self.get(f"/v1/users/{quote(user, safe='')}/recommendations?limit=20")
        return [item["item_id"] for item in answer["items"]]

    def bestsellers(self) -> list[str]:
        """What sells best."""
        return [item["item_id"] for item in self.get("/v1/bestsellers?limit=20")["items"]]

    def profile(self, user: str) -> Any:
        """What is known of a shopper."""
        return self.get(f"/v1/users/{quote(user, safe='')}/profile")

    def events(self, *columns: str) -> list[tuple[Any, ...]]:
        """The events that count, sorted."""
        return self.shop.events.select(columns).sort(columns).collect().rows()

    def items(self, *columns: str) -> list[tuple[Any, ...]]:
        """The catalogue."""
        return self.shop.items.select(columns).rows()

    def get(self, path: str) -> Any:
        """Ask the service."""
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return answer.get_json()


def case(name: str, folder: Path, **data: Any) -> Case:
    """A case with the settings that its owner would write, and with some of `data` set besides."""
    settings = parse_settings((OVERLAYS / name / "settings.toml").read_text(), folder)
    return Case(msgspec.structs.replace(settings, data=msgspec.structs.replace(settings.data, **data)))


def as_it_comes(name: str, folder: Path) -> Case:
    """A case with the settings that it came with, which say less."""
    shutil.copytree(Path(CASES, name), folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
    return Case(parse_settings((Path(CASES, name) / "settings.toml").read_text(), folder))
