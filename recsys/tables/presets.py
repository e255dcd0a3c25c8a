"""Column mappings of known exports, so that their users need no settings beyond a path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recsys.settings.catalog import NeverKind
from recsys.settings.tables import Table


@dataclass(frozen=True, slots=True)
class Preset:
    """How one export names things.

    `columns` gives for each canonical column the export's columns: the levels of a category, else those of which the
    first one with a value counts; columns that a file does not have are passed over. `category_levels`: each column of the
    category holds a level, however many of them a file has. `whole_ids` may have become text like `123.0` on their way,
    and lose the `.0` again. `unnest`: the column whose entries are rows, where a file has it with lists in it. `never_kinds` are what
    such an export has among its items that is no recommendation.
    """

    columns: Mapping[str, tuple[str, ...]]
    event_types: Mapping[str, str]
    null_values: tuple[str, ...] = ()
    category_separator: str = ""
    category_levels: bool = False
    whole_ids: tuple[str, ...] = ()
    unnest: str = ""
    never_kinds: tuple[NeverKind, ...] = ()


REES46 = Preset(
    columns={
        "user_id": ("user_id",),
        "item_id": ("product_id",),
        "timestamp": ("event_time",),
        "event_type": ("event_type",),
        "session_id": ("user_session",),
        "category": ("category_code",),
        "brand": ("brand",),
        "price": ("price",),
    },
    event_types={"cart": "cart_add", "remove_from_cart": "cart_remove"},
    category_separator=".",
)
"""REES46's "eCommerce behavior data" files: dotted categories, `cart` and `remove_from_cart`."""

_GA4_TYPES = {
    "view_item": "view",
    "view_item_list": "impression",
    "select_item": "click",
    "add_to_cart": "cart_add",
    "remove_from_cart": "cart_remove",
    "begin_checkout": "checkout",
    "purchase": "purchase",
    "in_app_purchase": "purchase",
    "refund": "refund",
    "search": "search",
    "view_search_results": "search",
}
_GA4_NOT_USED = (
    "add_payment_info add_shipping_info add_to_wishlist app_remove app_store_refund app_update click "
    "exception file_download first_open first_visit form_start form_submit generate_lead join_group login "
    "os_update page_view screen_view scroll select_content select_promotion session_start share sign_up "
    "user_engagement video_complete video_progress video_start view_cart view_promotion"
)

GA4 = Preset(
    columns={
        "user_id": ("user_id", "user_pseudo_id"),
        "anonymous_id": ("user_pseudo_id",),
        "item_id": ("item_id", "items.item_id"),
        "timestamp": ("event_timestamp", "event_time"),
        "event_type": ("event_name",),
        "session_id": ("ga_session_id", "event_params.ga_session_id"),
        "order_id": ("transaction_id", "ecommerce.transaction_id", "event_params.transaction_id"),
        "quantity": ("quantity", "items.quantity"),
        "price": ("price", "items.price"),
        "currency": ("currency", "event_params.currency"),
        "coupon": ("coupon", "items.coupon", "event_params.coupon"),
        "query": ("search_term", "event_params.search_term"),
        "title": ("item_name", "items.item_name"),
        "brand": ("item_brand", "items.item_brand"),
        "category": tuple(f"{nest}item_category{level}" for nest in ("", "items.") for level in ("", 2, 3, 4, 5)),
    },
    event_types={**_GA4_TYPES, **dict.fromkeys(_GA4_NOT_USED.split(), "")},
    null_values=("(not set)", "(none)", "(data deleted)"),
    category_levels=True,
    whole_ids=("item_id", "order_id", "session_id"),
    unnest="items",
    never_kinds=("shipping", "gift_cards", "tests"),
)
"""Google Analytics 4: the BigQuery export, or one row per event and item; events that are not about shopping are left out."""

PRESETS: Mapping[str, Preset] = {"rees46": REES46, "ga4": GA4}


def merged(table: Table) -> Preset:
    """Give the mapping of a table: its preset, with what the settings say themselves on top."""
    base = PRESETS.get(table.preset, Preset({}, {}))
    own = {name: (names,) if isinstance(names, str) else tuple(names) for name, names in table.columns.items()}
    category = table.columns.get("category")
    return Preset(
        columns={**base.columns, **own},
        event_types={**base.event_types, **table.event_types},
        null_values=(*base.null_values, *table.null_values),
        category_separator=table.category_separator or base.category_separator,
        category_levels=base.category_levels if category is None else not isinstance(category, str),
        whole_ids=base.whole_ids,
        unnest=base.unnest,
        never_kinds=base.never_kinds,
    )
