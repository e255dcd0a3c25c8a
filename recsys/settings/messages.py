"""Settings of messages: sends, cards, the addresses of slots (docs/messages.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec

from recsys.settings.types import Count, Group

Text = Annotated[str, msgspec.Meta(max_length=500)]
Address = Annotated[str, msgspec.Meta(pattern=r"^(https?://[!-~]+)?$", max_length=2000)]


class Words(Group, frozen=True):
    """Texts of a shop beside items of a category; an empty one is taken from the category above."""

    copy: Text = ""
    """Key of a text in the message tool, or the text itself."""
    creative: Text = ""
    """Key of a picture."""
    coupon: Text = ""
    """Code of a voucher."""


class MessagesSettings(Group, frozen=True):
    """Recommendations inside messages (docs/messages.md)."""

    unseen_sends: Annotated[int, msgspec.Meta(ge=0, le=100)] = 3
    """A shopper is not shown again what these many last sends showed them; 0: every send chooses freely."""
    templates: str = ""
    """Folder of the shop's own templates, relative to the settings file; each goes before the built-in one of its name."""
    shop: Text = "Our shop"
    """The shop's name as messages and the report say it."""
    home_url: Address = ""
    """The shop's front page: where the link of an empty slot leads."""
    public_url: Address = ""
    """Address under which mail clients reach this service; slot addresses begin with it. Empty: slates carry none."""
    placeholder_url: Address = ""
    """Picture of an empty slot; empty: a small grey one of the service's own."""
    dislikes: str = "20/minute"
    """Presses of the button that hides an item, by one reader (`dislike` of a slot), such as 20/minute; each worker process counts
    for itself."""
    locale: Annotated[str, msgspec.Meta(pattern=r"^[a-z]{2,3}([_-][A-Za-z]{2,4})*$")] = "en"
    """Locale of shoppers whose own is not known, for prices, dates, templates and the texts of reasons."""
    timezone: Annotated[str, msgspec.Meta(max_length=64)] = "UTC"
    """Time zone of shoppers whose own is not known, such as Europe/Berlin."""
    utm: Mapping[str, Text] = msgspec.field(
        default_factory=lambda: {
            "utm_source": "recommendations",
            "utm_medium": "{channel}",
            "utm_campaign": "{send_id}",
            "utm_content": "{item_id}",
        }
    )
    """Parameters added to the address of a slot's link where the shop's own address does not have them."""
    sms_segments: Count = 2
    """Most segments of a text message."""
    words: Mapping[Annotated[str, msgspec.Meta(max_length=1024)], Words] = {}
    """Category (levels joined by ` > `; empty: all) = what is said with its items; the longest that fits wins."""

    def __post_init__(self) -> None:
        """Check that the time zone is one.

        Raises:
            ValueError: if it is none.
        """
        try:
            ZoneInfo(self.timezone)
        except (
            KeyError,
            ValueError,
            OSError,
        ) as error:  # OSError: the name of a folder of zones, or one too long for a file
            allowed = "names of the IANA database such as Europe/Berlin"
            raise ValueError(f"timezone: {self.timezone!r} is no time zone; allowed: {allowed}") from error
