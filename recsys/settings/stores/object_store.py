"""Address of an object store, as people write it: scheme, bucket and folder, without credentials."""

from __future__ import annotations

from urllib.parse import urlsplit

SCHEMES = ("s3", "gs", "az")


def check_place(place: str) -> None:
    """Check that a place is a path, or an object store's address.

    Raises:
        ValueError: that says what to write; credentials are never shown.
    """
    if "://" not in place:
        return
    parts = urlsplit(place)
    if parts.scheme not in SCHEMES:
        raise ValueError(
            f"{parts.scheme}:// is no object store; allowed: a folder, {', '.join(f'{each}://' for each in SCHEMES)}"
        )
    if "@" in parts.netloc or parts.query:
        raise ValueError("holds credentials or options; give them in the environment, as the store's own tools take them")
    if not parts.netloc:
        raise ValueError("names no bucket; write for instance s3://bucket/shop")
