"""A proposal for one table: the settings that its files seem to need, what they were told by, and what nobody can be sure of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl

from recsys.settings.tables import Table
from recsys.tables.presets import merged
from training.onboarding.files import Seen
from training.onboarding.values import share, texts

_HALF = 0.5


@dataclass(slots=True)
class Proposal:
    """Settings for one table: `settings` as in a settings file, each told by a line of `evidence`; `unsure` names what to look at.

    mails: users go by mail addresses.
    """

    table: str
    seen: list[Seen]
    settings: dict[str, Any] = field(default_factory=dict)
    evidence: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)
    mails: bool = False
    brought: list[Seen] = field(default_factory=list)
    """Further files, whose columns come to the rows by a join."""

    @property
    def preset(self) -> str:
        """The preset, if one was recognised."""
        return str(self.settings.get("preset", ""))

    @property
    def rows(self) -> pl.DataFrame:
        """The rows that were looked at."""
        return self.seen[0].rows

    @property
    def taken(self) -> set[str]:
        """The columns that canonical ones come from."""
        stated = self.settings.get("columns", {}).values()
        names = {name for own in stated for name in ((own,) if isinstance(own, str) else own)}
        return names | ({self.settings["time_of_day"]} if "time_of_day" in self.settings else set())

    def origin(self, canonical: str) -> str:
        """The file's first column that a canonical one comes from; empty if there is none."""
        if self.preset:
            names = merged(self.table, Table(preset=self.preset)).columns.get(canonical, ())
        else:
            stated = self.settings["columns"].get(canonical, canonical)
            names = (stated,) if isinstance(stated, str) else tuple(stated)
        return next((name for name in names if name in self.rows.columns), "")

    def rekey(self, key: str, own: str, evidence: str) -> None:
        """Take another column for the table's key."""
        columns = self.settings["columns"]
        for canonical in [name for name, stated in columns.items() if stated == own]:
            del columns[canonical]
        self.settings["columns"] = {key: own, **{name: stated for name, stated in columns.items() if name != key}}
        self.settings.pop("where", None)
        self.evidence = [each for each in self.evidence if not each.startswith("not used: ")] + [evidence]
        self.mails = key == "user_id" and share(texts(self.rows, own), "@") > _HALF
