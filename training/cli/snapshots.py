"""Settings of commands that read snapshots: those of an object store are brought into the local folder first."""

from __future__ import annotations

from pathlib import Path

from recsys.settings import Settings
from recsys.settings.load import load_settings
from recsys.snapshot.mirror import mirror_of


def mirrored(file: Path | None) -> Settings:
    """Read the settings, and fetch every snapshot of their object store that the folder has not.

    Raises:
        SettingsError: if the settings cannot be read.
        SnapshotError: if the store does not answer.
    """
    settings = load_settings(file)
    if mirror := mirror_of(settings):
        mirror.fetch_all()
    return settings
