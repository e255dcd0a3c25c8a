"""Categories as canonical text: the levels of a path joined by ` > `, escaped inside a level.

`category=X` means the node X and all below it. Serving and training both read categories through this file.
"""

from __future__ import annotations

from collections.abc import Iterable

SEPARATOR = " > "


def escape_level(level: str) -> str:
    """Escape one level, so that a `>` or a backslash in its name does not look like a separator."""
    return level.strip().replace("\\", "\\\\").replace(">", "\\>")


def join_category(levels: Iterable[str]) -> str:
    """Join levels, root first, into canonical text; levels are trimmed and empty ones left out."""
    return SEPARATOR.join(escape_level(level) for level in levels if level.strip())


def split_category(category: str) -> tuple[str, ...]:
    """Split canonical text into its levels, root first, unescaped; the inverse of `join_category`.

    Lenient with text written by hand: spaces around `>` are optional and empty levels are left out.
    """
    levels, level, escaped = [], "", False
    for character in category:
        if escaped or character not in "\\>":
            level, escaped = level + character, False
        elif character == "\\":
            escaped = True
        else:
            levels.append(level)
            level = ""
    levels.append(level)
    return tuple(name.strip() for name in levels if name.strip())


def parent_category(category: str) -> str | None:
    """Give the node above, or None for a root."""
    levels = split_category(category)
    return join_category(levels[:-1]) if len(levels) > 1 else None


def within_category(category: str, node: str) -> bool:
    """Tell whether a category is `node` or below it; both in canonical text."""
    return category == node or category.startswith(node + SEPARATOR)
