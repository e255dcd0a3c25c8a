"""Steps of the offline job: each is named to whoever watches, and timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Watch = Callable[[str], None]
"""Told the name of each step as it begins."""


@dataclass
class Steps:
    """Names each step to whoever watches, and keeps the seconds that it took."""

    watch: Watch = lambda _name: None
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time what happens inside."""
        self.watch(name)
        started = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - started, 3)
