"""Copies of the live state from files into PostgreSQL or back, while no service uses either."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import msgspec

from recsys.disk import write_whole
from recsys.live.databases import open_log, open_slates
from recsys.live.state_copy import LOG_TABLES, SLATE_TABLES, copy_state
from recsys.settings import Settings
from recsys.settings.stores.database_url import STATE_DATABASE, check_url
from recsys.tables.live_rows import EVENTS_FOLDER, compacted_files
from recsys.types import SettingsError, StateError
from training import console


def copy_state_to(settings: Settings, source: str, target: str) -> int:
    """Copy the state at one place to another, which is empty, and say what was copied; returns the exit code.

    The slates go first and the log last, so that a state with a log is whole. A copy that was cut off is begun again.

    Raises:
        StateError: if either cannot be used, the target holds rows, or somebody writes to the source.
        SettingsError: if a place is none.
    """
    here, there = _at(settings, "--from", source), _at(settings, "--to", target)
    if here.state == there.state:
        raise SettingsError(f"--to {target}: is where the state is")
    with (
        console.bar("Copying the live state", "rows") as progress,
        closing(open_log(here)) as log,
        closing(open_log(there)) as new,
    ):
        if not log.driver.has_begun() or not log.last():
            raise StateError(f"{log.name}: holds no live state")
        if new.last():
            raise StateError(f"{new.name}: holds rows already; copy into a state that is new")
        files = _copy_compacted(_events(settings, here), _events(settings, there))
        with closing(open_slates(here)) as slates, closing(open_slates(there)) as new_slates:
            if not new_slates.driver.has_begun() or not new_slates.driver.last():  # else a copy was cut off after them
                copy_state(slates.driver, new_slates.driver, SLATE_TABLES, lambda table, rows: progress(rows, rows))
        counts = copy_state(log.driver, new.driver, LOG_TABLES, lambda table, rows: progress(rows, rows))
    copied = [f"{count:,} {table.replace('_', ' ')}" for table, count in counts.items() if count]
    console.say(
        f"✓ {new.name}: {', '.join(copied) or 'no rows'}" + (f"; {files} files of compacted events" if files else "")
    )
    console.say(
        f"Next: {_next(there)}, then start the service. The state that was copied is still there: keep it until that runs"
    )
    return 0


def _at(settings: Settings, option: str, place: str) -> Settings:
    """The settings with their state at a place: an address of PostgreSQL, else a folder."""
    if "://" not in place:
        state = msgspec.structs.replace(settings.state, database="", folder=str(Path(place).absolute()))
        return msgspec.structs.replace(settings, state=state)
    try:
        check_url(place)
    except ValueError as error:
        raise SettingsError(f"{option}: {error}") from error
    return msgspec.structs.replace(settings, state=msgspec.structs.replace(settings.state, database=place))


def _events(settings: Settings, at: Settings) -> Path:
    """The folder of compacted events that belongs to a state; beside a database it is that of the settings."""
    return (settings if at.state.database else at).path((settings if at.state.database else at).state.folder) / EVENTS_FOLDER


def _copy_compacted(source: Path, target: Path) -> int:
    if source == target:
        return 0
    files = compacted_files(source)
    for file in files:
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (target / file.path.name).exists():
            with write_whole(target / file.path.name) as aside:
                shutil.copyfile(file.path, aside)
    return len(files)


def _next(there: Settings) -> str:
    if there.state.database:
        return f'set state.database = "{there.state.database}" or {STATE_DATABASE}'
    return f'set state.folder = "{there.state.folder}" and take state.database and {STATE_DATABASE} away'
