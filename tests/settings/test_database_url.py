"""The address of live state: usable, and without a password wherever it stands in a file."""

from __future__ import annotations

import pytest

from recsys.settings.load import load_settings, parse_settings
from recsys.settings.stores.database_url import full_url, without_password
from recsys.types import SettingsError

SECRET = "hidden-word"


@pytest.mark.parametrize(
    ("url", "bare"),
    [
        ("postgresql://ann:hidden-word@db/shop", "postgresql://ann@db/shop"),
        (
            "postgresql://ann:hidden-word@db1:5433,db2/shop?sslmode=require",
            "postgresql://ann@db1:5433,db2/shop?sslmode=require",
        ),
        ("postgresql://ann@/shop?host=/run/pg&password=hidden-word", "postgresql://ann@/shop?host=/run/pg"),
        ("postgresql://ann:hidden-word@[::1]:5432/shop", "postgresql://ann@[::1]:5432/shop"),
        ("postgresql://:hidden-word@db/shop", "postgresql://@db/shop"),
        ("postgresql://db/shop", "postgresql://db/shop"),
    ],
)
def test_a_password_is_taken_out(url: str, bare: str) -> None:
    """Wherever a URL may hold a password, the address without it is left, and nothing else changes."""
    assert without_password(url) == bare
    assert full_url(bare, {"RECSYS_STATE_DATABASE": url}) == url
    assert full_url("postgresql://other/shop", {"RECSYS_STATE_DATABASE": url}) == "postgresql://other/shop"
    if url != bare:
        with pytest.raises(SettingsError, match=r"state.*holds a password; give it in PGPASSWORD") as raised:
            parse_settings(f'[state]\ndatabase = "{url}"')
        assert SECRET not in str(raised.value)


@pytest.mark.parametrize("url", ["mysql://db/shop", "db/shop", "postgresql:shop", "host=db dbname=shop"])
def test_other_addresses_are_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anything but a URL of PostgreSQL is refused, in the settings and in the environment."""
    with pytest.raises(SettingsError, match=r"state.*is no address of PostgreSQL"):
        parse_settings(f'[state]\ndatabase = "{url}"')
    monkeypatch.setenv("RECSYS_STATE_DATABASE", url)
    with pytest.raises(SettingsError, match="RECSYS_STATE_DATABASE: is no address of PostgreSQL"):
        load_settings()


def test_the_environment_overrides_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """RECSYS_STATE_DATABASE names the database, and its password is in no settings."""
    monkeypatch.delenv("RECSYS_SETTINGS", raising=False)
    monkeypatch.setenv("RECSYS_STATE_DATABASE", f"postgresql://ann:{SECRET}@db/shop")
    assert load_settings().state.database == "postgresql://ann@db/shop"
