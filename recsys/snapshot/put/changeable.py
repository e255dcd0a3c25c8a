"""Arrays of a snapshot that item updates write to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def changeable(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """An array that may be written to and is nobody else's: the same pages where it is mapped copy-on-write, else a copy."""
    mapped = array.base
    if isinstance(mapped, np.memmap) and mapped.mode == "c":
        return mapped.view(np.ndarray)
    return array.copy()
