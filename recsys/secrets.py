"""Secrets from the environment: several of one purpose stand together, the first is used, all are known, so that they can be
rotated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recsys.types import SettingsError

SHORTEST_SECRET = 32
"""Characters of the shortest secret that is taken."""


def read_secrets(environment: Mapping[str, str], name: str) -> list[str]:
    """The secrets of a variable, separated by commas or spaces; none where it is absent or empty."""
    return environment.get(name, "").replace(",", " ").split()


def check_secrets(name: str, secrets: Sequence[str]) -> None:
    """Check that there is a secret and that each is long enough.

    Raises:
        SettingsError: if there is none, or one is too short or not ASCII; it is never shown.
    """
    if not secrets:
        raise SettingsError(f"{name} holds no secret; one of {SHORTEST_SECRET} characters or more is needed")
    for place, secret in enumerate(secrets, 1):
        if not secret.isascii() or len(secret) < SHORTEST_SECRET:
            raise SettingsError(
                f"{name}: secret {place} has {len(secret)} characters; "
                f"at least {SHORTEST_SECRET}, all of them ASCII, are allowed, for instance from: openssl rand -hex 32"
            )
