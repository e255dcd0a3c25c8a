"""Settings read from their TOML file, with what was tuned for the shop laid over it.

`load_settings()` reads the file that `RECSYS_SETTINGS` names; without one the defaults serve a shop whose tables already have the
canonical columns under `data/`. Unknown keys are errors.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from recsys.settings import Settings
from recsys.settings.stores.database_url import STATE_DATABASE, check_url, without_password
from recsys.types import SettingsError

TUNABLE = ("behaviour", "recommenders", "blend")
"""The groups that a tuned file may hold."""


def parse_settings(text: str | bytes, root: str | Path = ".", tuned: str | bytes = b"") -> Settings:
    """Read settings from TOML text, and lay the tuned ones over them.

    Raises:
        SettingsError: naming the key, what is wrong and what is allowed.
    """
    try:
        raw, over = msgspec.toml.decode(text), msgspec.toml.decode(tuned)
        strange = sorted(set(over) - set(TUNABLE))
        if strange:
            raise SettingsError(f"{strange[0]}: a tuned file holds only {', '.join(TUNABLE)}")
        return msgspec.convert({"root": str(root), **_merged(raw, over)}, Settings)
    except msgspec.ValidationError as error:
        raise SettingsError(_in_words(str(error))) from error
    except msgspec.DecodeError as error:
        raise SettingsError(f"settings are not valid TOML: {error}") from error


def load_settings(path: str | Path | None = None) -> Settings:
    """Read the settings file at `path`, else the one that RECSYS_SETTINGS names, else the defaults; and what was tuned for it.

    Raises:
        SettingsError: if the file is absent or a key in it is wrong, or RECSYS_STATE_DATABASE is no address.
    """
    chosen = path or os.environ.get("RECSYS_SETTINGS")
    return _with_database(_read(Path(chosen)) if chosen else Settings(), os.environ.get(STATE_DATABASE, ""))


def _with_database(settings: Settings, url: str) -> Settings:
    """The settings with the database that the environment names, without its password."""
    if not url:
        return settings
    try:
        state = msgspec.structs.replace(settings.state, database=without_password(url))
        check_url(state.database)
    except ValueError as error:
        raise SettingsError(f"{STATE_DATABASE}: {error}") from error
    return msgspec.structs.replace(settings, state=state)


def _read(file: Path) -> Settings:
    try:
        text = file.read_bytes()
    except OSError as error:
        raise SettingsError(f"settings file {file}: {error.strerror}") from error
    folder = file.resolve().parent
    try:
        settings = parse_settings(text, folder)
    except SettingsError as error:
        raise SettingsError(f"{file}: {error}") from error
    overlay = settings.path(settings.tuned)
    if not settings.tuned or not overlay.is_file():
        return settings
    try:
        return parse_settings(text, folder, overlay.read_bytes())
    except SettingsError as error:
        raise SettingsError(f"{overlay}: {error}") from error


def _merged(raw: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`raw` with every leaf of `over` set."""
    merged = dict(raw)
    for key, value in over.items():
        under = merged.get(key)
        merged[key] = _merged(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return merged


def _in_words(message: str) -> str:
    text, _, where = message.partition(" - at `$")
    key = where.rstrip("`").lstrip(".")
    return f"{key}: {text}" if key else text
