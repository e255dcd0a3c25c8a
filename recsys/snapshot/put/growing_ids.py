"""Ids that grow: those of a snapshot, and a small dict of those that came since."""

from __future__ import annotations

from recsys.snapshot.id_index import IdMap


class GrowingIds:
    """The ids of one kind, each at its row: first those of a snapshot, then those that were added, in order."""

    def __init__(self, published: IdMap) -> None:
        self.published = published
        self._n = len(published)
        self._rows: dict[str, int] = {}
        self._texts: list[str] = []

    def __len__(self) -> int:
        return self._n + len(self._texts)

    def row(self, text: str) -> int:
        """Find the row of an id; -1 if there is none."""
        added = self._rows.get(text, -1)
        return added if added >= 0 else self.published.row(text)

    def text(self, row: int) -> str:
        """Give the id at a row."""
        return self.published.text(row) if row < self._n else self._texts[row - self._n]

    def add(self, text: str) -> int:
        """Give an id that there is not the next row."""
        self._texts.append(text)
        self._rows[text] = row = len(self) - 1
        return row
