"""Conditions on the shopper, of rules and of campaigns."""

from __future__ import annotations

from recsys.settings.types import Group
from recsys.types import Intent, Lifecycle


class When(Group, frozen=True):
    """Conditions of a rule on the shopper; every one that is set must hold."""

    known: bool | None = None
    """True: has at least one event."""
    intent: Intent | None = None
    """buyer or browser."""
    focus: bool | None = None
    """True: has a focus category."""
    brand: bool | None = None
    """True: has a brand affinity."""
    dormant: bool | None = None
    """True: a customer without an order for months."""
    lifecycle: tuple[Lifecycle, ...] = ()
    """Any of these stages; empty: all."""
    context: bool | None = None
    """True: the query names items of the page or the cart."""
