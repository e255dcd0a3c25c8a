"""Pictures of the synthetic shop's goods: the same category and colour give the same drawing, as SVG."""

from __future__ import annotations

import json
from functools import cache
from hashlib import blake2b
from pathlib import Path

COLOURS = {
    "sand": "#d8c3a5", "midnight blue": "#2a3d66", "olive": "#7d8450", "terracotta": "#c8694a", "natural": "#cdb08a",
    "black": "#33302e", "brass": "#b9974b", "ivory": "#e9e2d0", "fig": "#6b4a5e", "cedar & smoke": "#7a6a5d",
    "orange blossom": "#e6a15c", "oud": "#5b3a29", "rosé": "#d99aa0", "brick": "#a4483a", "nude": "#d9b59c", "plum": "#6d3555",
    "classic": "#5d4037", "spiced": "#b5651d", "citrus": "#e0b341", "gift box": "#94353c",
}  # fmt: skip
"""Words at the end of titles that are colours, or taste of one."""
_BOX = "M60 80h120v110H60zM60 80l20-24h80l20 24z"
"""What is sold in a category that has no outline of its own."""


def picture(category: str, variant: str) -> str:
    """Draw a good of a category (its levels joined by ` > `) in its colour; no word of either stands in the drawing."""
    leaf = category.rpartition(" > ")[2]
    outline = _outlines().get(leaf, _BOX)
    hue = int.from_bytes(blake2b(category.encode(), digest_size=2).digest(), "big") % 360
    colour = COLOURS.get(variant) or f"hsl({(hue + 40 * len(variant)) % 360} 35% 55%)"
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 240 240" width="240" height="240">'
        f'<rect width="240" height="240" fill="hsl({hue} 30% 94%)"/><ellipse cx="120" cy="196" rx="76" ry="8" fill="#0001"/>'
        f'<path d="{outline}" fill="{colour}" fill-rule="evenodd"/></svg>'
    )


@cache
def _outlines() -> dict[str, str]:
    """Leaf category = the outline of what is sold there, on 240 × 240."""
    drawn = json.loads((Path(__file__).parent / "outlines.json").read_text())
    return {category: each["outline"] for each in drawn for category in each["categories"]}
