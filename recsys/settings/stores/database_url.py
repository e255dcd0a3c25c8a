"""Address of the database that holds live state, as people write it: a URL whose password never stands in a file."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit

STATE_DATABASE = "RECSYS_STATE_DATABASE"
"""Overrides `state.database`, and may hold the password."""
SCHEMES = ("postgresql", "postgres")


def check_url(url: str) -> None:
    """Check that an address can be used and holds no password.

    Raises:
        ValueError: that says what to write; a password is never shown.
    """
    if not url:
        return
    if urlsplit(url).scheme not in SCHEMES or "://" not in url:
        raise ValueError("is no address of PostgreSQL; allowed: postgresql://user@host/name, or empty for SQLite files")
    if without_password(url) != url:
        raise ValueError(f"holds a password; give it in PGPASSWORD, or the whole address in {STATE_DATABASE}")


def without_password(url: str) -> str:
    """The same address without its password."""
    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    user = login.partition(":")[0]
    query = parse_qsl(parts.query, keep_blank_values=True)
    if any(name in ("password", "sslpassword") for name, _ in query):
        parts = parts._replace(
            query=urlencode([each for each in query if each[0] not in ("password", "sslpassword")], safe="/")
        )
    return parts._replace(netloc=f"{user}{at}{host}").geturl() if ":" in login else parts.geturl()


def full_url(url: str, environment: Mapping[str, str]) -> str:
    """The address with the password that the environment has for it, if it has one."""
    given = environment.get(STATE_DATABASE, "")
    return given if given and without_password(given) == url else url
