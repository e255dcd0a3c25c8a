"""The plan of the synthetic shop, in numbers: tests look for each of these, and docs/shop.md explains them.

Ages are days before the shop's end; shares are of all the rows named.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

SPAN_DAYS = 396
"""Days of history: thirteen months, from midnight UTC of the first day to the end."""

EVENTS_PER_USER = 50
"""Events per user where the caller names none."""
MIN_EVENTS_PER_USER = 25
"""Fewest events per user that still hold every planted visit."""

BUYER_VIEWS = 3
"""Fewest product views, all in one leaf category, of a visit that compares, fills the cart or orders."""
BUYER_SECONDS = 31.0
"""Shortest stay of such a visit on a page: three views come to more than 60 s of dwell."""
BROWSER_SECONDS = (2.0, 19.0)
"""Shortest and longest stay of a browser on a page; browsers view at most two products of a leaf category."""


class Segment(IntEnum):
    """Plan of a shopper's orders; the lifecycle of the policy follows from it."""

    LEAD = 0
    FIRST_TIME = 1
    ACTIVE = 2
    DEFECTING = 3
    DORMANT = 4
    INACTIVE = 5


SEGMENT_SHARES: Mapping[Segment, float] = {
    Segment.LEAD: 0.38,
    Segment.FIRST_TIME: 0.15,
    Segment.ACTIVE: 0.25,
    Segment.DEFECTING: 0.10,
    Segment.DORMANT: 0.09,
    Segment.INACTIVE: 0.03,
}
"""Share of the known users in each segment, exact but for rounding."""

LAST_ORDER_AGES: Mapping[Segment, tuple[float, float]] = {
    Segment.FIRST_TIME: (1, 87),
    Segment.ACTIVE: (1, 87),
    Segment.DEFECTING: (93, 177),
    Segment.DORMANT: (187, 361),
    Segment.INACTIVE: (368, 392),
}
"""Age in days, give or take one, of the last order of each segment; leads have none. Last orders are never refunded."""

ONCE_SHARE = 0.6
"""Share of the defecting, dormant and inactive customers who ordered once: first-time customers of earlier days."""
RECENT_SHARE = 0.2
"""Share of the active customers who are new: a second order soon after the first, both in the last months."""
RECENT_DAYS = 100
"""Age in days of the first order up to which a customer is new: no staple of theirs was bought before it."""
SECOND_ORDER_DAYS = (5.0, 90.0)
"""Fewest days between a first and a planned later order, and the mean of what comes on top."""
RETURNING_SHARE = 0.4
"""Share of the defecting, dormant and inactive customers who still look around after their last order."""
GUEST_SHARE = 0.05
"""Guests in addition to the users: never known, under an anonymous id only, without orders."""
ANONYMOUS_SHARE = 0.25
"""Share of the users whose early visits are under an anonymous id, linked at the start of a later visit."""
LIVE_SHARE = 0.02
"""Share of the shoppers who are in the midst of a visit at the end, at least `LIVE_LEAST` of them."""
LIVE_LEAST = 9
LIVE_MINUTES = (9.0, 24.0)
"""How long before the end their visits began. A third compare, a third fill the cart, a third browse."""

STYLES: tuple[str, ...] = ("classic", "minimal", "bohemian", "modern", "romantic", "bold")
"""Latent tastes: every brand has one, every shopper one, and a second. In no table."""
TIERS: tuple[float, ...] = (0.6, 1.0, 2.2)
"""Price factor of a brand's tier over its leaf category's usual price: accessible, premium, luxury."""
TASTE_SHARE = 0.75
"""Share of the product draws that follow the shopper's style; the others take any item of the category."""
SECOND_SHARE = 0.25
"""Share of those that follow the shopper's second style."""
TIER_SHARE = 0.4
"""Share of the draws in a style that follow the shopper's price tier too."""
BRAND_LOVER_SHARE = 0.3
"""Share of the shoppers who love one brand."""
BRAND_LOVE = 0.55
"""Share of a lover's product draws that come from the loved brand, where it sells in the category."""
FAVOURITE_WEIGHTS: tuple[float, ...] = (0.5, 0.25, 0.15, 0.1)
"""Pull of a shopper's four favourite leaf categories, which mostly lie in one department."""

WAVES: Mapping[str, tuple[float, float]] = {
    "Velmire": (7, 0),
    "Ondara": (8, 0),
    "Kasbrook": (10, 0),
    "Halvorn": (60, 50),
}
"""Brands that surge, from and to which age in days. Halvorn's wave is over: nothing recent should show it."""
WAVE_SHARE = 0.15
"""Share of the visits during a wave, staples aside, that turn to its brand."""

REPURCHASE_GAPS: Mapping[str, float] = {
    "Gourmet > Pantry > Coffee": 30,
    "Gourmet > Pantry > Tea": 45,
    "Beauty > Skin care > Serums": 45,
    "Beauty > Skin care > Cleansers": 45,
    "Home > Fragrance > Scented candles": 60,
    "Home > Fragrance > Diffuser refills": 60,
}
"""Replenishable leaf categories and the days between two purchases; an item's own gap is this times a factor below."""
GAP_FACTORS: tuple[float, ...] = (0.8, 1.0, 1.25)
"""Factors of single items, equally likely."""
GAP_NOISE = 0.1
"""Standard deviation of one gap, as a share of it."""
STAPLE_ORDERS = (3, 8)
"""Fewest and most orders of a staple, as far as the history reaches back."""
STAPLE_SHARE = 0.5
"""Share of the active, defecting and dormant customers with a staple, bought again and again until their last order."""
UNTOLD_LEAVES: tuple[str, ...] = ("Gourmet > Pantry > Tea", "Home > Fragrance > Diffuser refills")
"""Replenishable leaf categories whose items all leave `replenishable` null: it has to be learned."""
UNTOLD_SHARE = 0.2
"""Share of all other items that leave it null."""

COMPLEMENTS: Mapping[str, str] = {
    "Home > Furniture > Sofas": "Home > Textiles > Cushions",
    "Home > Furniture > Armchairs": "Home > Textiles > Throws",
    "Home > Furniture > Coffee tables": "Home > Textiles > Rugs",
    "Home > Bedroom > Bed linen": "Home > Bedroom > Pillows",
    "Home > Tableware > Dinnerware": "Home > Tableware > Glassware",
    "Home > Fragrance > Scented candles": "Home > Fragrance > Candle holders",
    "Home > Garden > Outdoor chairs": "Home > Garden > Planters",
    "Fashion > Women > Dresses": "Fashion > Women > Heels",
    "Fashion > Women > Coats": "Fashion > Accessories > Scarves",
    "Fashion > Women > Bags": "Fashion > Accessories > Wallets",
    "Fashion > Men > Jackets": "Fashion > Men > Shirts",
    "Fashion > Jewellery > Necklaces": "Fashion > Jewellery > Earrings",
    "Beauty > Skin care > Serums": "Beauty > Skin care > Moisturisers",
    "Beauty > Make-up > Lipsticks": "Beauty > Make-up > Mascaras",
    "Gourmet > Kitchen > Coffee makers": "Gourmet > Kitchen > Mugs",
}
"""Leaf categories bought together: an order of the left one often holds an item of the right one."""
COMPLEMENT_SHARE = 0.7
"""Share of the orders with a left category that hold the complement (a staple's orders never do)."""
PARTNER_SHARE = 0.7
"""Share of those where it is the item's own planted partner; the others take one to the shopper's taste."""

SEASONS: Mapping[str, tuple[int, float]] = {
    "Home > Garden > Outdoor chairs": (160, 5.0),
    "Home > Garden > Planters": (140, 5.0),
    "Fashion > Women > Dresses": (170, 3.0),
    "Fashion > Accessories > Sunglasses": (180, 5.0),
    "Fashion > Women > Coats": (330, 5.0),
    "Fashion > Women > Knitwear": (330, 3.0),
    "Fashion > Accessories > Scarves": (340, 5.0),
}
"""Seasonal leaf categories: day of the year at the peak, and how many times the yearly trough's pull the peak has."""
WEEKDAYS: tuple[float, ...] = (0.95, 0.9, 0.9, 0.95, 1.0, 1.25, 1.35)
"""Relative visits on Monday … Sunday."""
GIFT_SEASON: tuple[int, int, float] = (324, 358, 1.8)
"""First and last day of the year of the gift season (20 November to 24 December) and its factor on visits."""
GROWTH = 2.5
"""Visits a day at the end over those at the beginning, seasons aside."""

LOCALES: Mapping[str, float] = {
    "en-GB": 0.3,
    "fr-FR": 0.2,
    "de-DE": 0.15,
    "ar-SA": 0.12,
    "it-IT": 0.1,
    "es-ES": 0.08,
    "tr-TR": 0.05,
}
"""Locales of the users and their shares."""
TIMEZONES: Mapping[str, str] = {
    "en-GB": "Europe/London",
    "fr-FR": "Europe/Paris",
    "de-DE": "Europe/Berlin",
    "ar-SA": "Asia/Riyadh",
    "it-IT": "Europe/Rome",
    "es-ES": "Europe/Madrid",
    "tr-TR": "Europe/Istanbul",
}
"""Time zone of the users of each locale."""
CONSENTS: Mapping[str, float] = {"push": 0.55, "email": 0.7, "sms": 0.3, "whatsapp": 0.25}
"""Share of the users who consent to each channel, in the columns consent_push …"""
CHANNELS: Mapping[str, float] = {"web": 0.55, "app": 0.30, "email": 0.10, "push": 0.03, "whatsapp": 0.02}
"""Where visits come from, with their shares."""
MESSAGES: tuple[str, ...] = ("email", "push", "whatsapp")
"""Channels whose visits carry the send_id of the week's message."""
RECOMMENDED_SHARE = 0.05
"""Share of the visits that show four recommendations: impressions under one recommendation_id."""
CLICKED_SHARE = 0.3
"""Share of those, among visits that view at least two products, in which one of the four is clicked and viewed first."""
COUPONS: Mapping[str, float] = {"WELCOME10": 0.10, "ATELIER15": 0.15, "رمضان20": 0.20}
"""Coupon codes and the share of the price that they take off."""
COUPON_SHARE = 0.08
"""Share of the orders with a coupon."""
REFUND_SHARE = 0.10
"""Share of the order lines refunded `REFUND_DAYS` later; lines of planned orders (first, last, staples) never are."""
REFUND_DAYS = (2.0, 14.0)

SOLD_OUT_SHARE = 0.04
"""Share of the items that are sold out: stock 0, `available` false; they keep their past."""
UNSEEN_SHARE = 0.04
"""Share of the items that nobody ever saw or bought."""
NEW_SHARE = 0.03
"""Share of the models published in the last `NEW_DAYS` days."""
NEW_DAYS = 14
LATER_SHARE = 0.25
"""Share of the models published during the history; nothing happens to an item before it is published."""
UNBRANDED_SHARE = 0.03
"""Share of the models without a brand."""
ARABIC_SHARE = 0.04
"""Share of the models with an Arabic title."""
JAPANESE_SHARE = 0.01
"""Share of the models with a title ending in Japanese."""
EMOJI_SHARE = 0.02
"""Share of the models with an emoji in the title."""
