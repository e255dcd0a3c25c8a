"""The words of the synthetic shop: its category tree, invented brands, and what titles are made of."""

from __future__ import annotations

from typing import NamedTuple


class Leaf(NamedTuple):
    """A leaf category: usual price in EUR, pull on shoppers, what variants differ in, and the words of its titles."""

    path: str
    price: float
    pull: float
    axis: str
    nouns: tuple[str, ...]
    materials: tuple[str, ...]
    arabic: str


Row = tuple[str, float, float, str, str, str, str]


def _leaves(department: str, *rows: Row) -> tuple[Leaf, ...]:
    return tuple(
        Leaf(f"{department} > {path}", price, pull, axis, tuple(nouns.split(", ")), tuple(materials.split(", ")), arabic)
        for path, price, pull, axis, nouns, materials, arabic in rows
    )


LEAVES: tuple[Leaf, ...] = (
    *_leaves(
        "Home",
        ("Furniture > Sofas", 1900, 1.0, "colour", "sofa, two-seater sofa, daybed", "bouclé, linen, velvet", "أريكة"),
        ("Furniture > Armchairs", 850, 0.8, "colour", "armchair, lounge chair", "bouclé, leather, velvet", "كرسي بذراعين"),
        ("Furniture > Coffee tables", 520, 0.8, "finish", "coffee table, side table", "oak, marble, glass", "طاولة قهوة"),
        (
            "Lighting > Table lamps",
            190,
            1.0,
            "finish",
            "table lamp, bedside lamp",
            "glass, brass, ceramic",
            "مصباح طاولة",
        ),
        ("Lighting > Floor lamps", 340, 0.7, "finish", "floor lamp, reading lamp", "brass, paper, steel", "مصباح أرضي"),
        ("Décor > Vases", 75, 1.1, "finish", "vase, bud vase", "glass, stoneware, travertine", "مزهرية"),
        ("Textiles > Cushions", 55, 1.3, "colour", "cushion, bolster", "linen, velvet, wool", "وسادة زينة"),
        ("Textiles > Throws", 110, 1.0, "colour", "throw, blanket", "alpaca, mohair, cotton", "بطانية"),
        ("Textiles > Rugs", 480, 0.9, "size", "rug, runner", "wool, jute, silk blend", "سجادة"),
        ("Bedroom > Bed linen", 160, 1.2, "size", "duvet cover, sheet set", "percale, sateen, linen", "مفرش سرير"),
        ("Bedroom > Pillows", 70, 0.9, "size", "pillow, neck pillow", "down, wool, latex", "مخدة"),
        ("Tableware > Dinnerware", 85, 1.0, "finish", "dinner plate, bowl set", "stoneware, porcelain", "طقم أطباق"),
        ("Tableware > Glassware", 60, 0.9, "finish", "wine glasses, carafe, tumblers", "crystal, blown glass", "كؤوس"),
        (
            "Fragrance > Scented candles",
            48,
            1.6,
            "scent",
            "candle, three-wick candle",
            "soy wax, beeswax",
            "شمعة معطرة",
        ),
        ("Fragrance > Candle holders", 35, 0.9, "finish", "candle holder, candelabra", "brass, glass, iron", "حامل شموع"),
        ("Fragrance > Diffuser refills", 32, 0.9, "scent", "diffuser refill", "essential oils", "عبوة معطر"),
        ("Garden > Outdoor chairs", 260, 0.8, "colour", "outdoor chair, sun lounger", "teak, rope, aluminium", "كرسي حديقة"),
        ("Garden > Planters", 65, 0.9, "finish", "planter, hanging planter", "terracotta, zinc, fibre clay", "أصيص"),
    ),
    *_leaves(
        "Fashion",
        ("Women > Dresses", 240, 1.5, "size", "dress, midi dress, wrap dress", "silk, linen, crêpe", "فستان"),
        ("Women > Coats", 520, 1.0, "size", "coat, trench coat", "wool, cashmere blend, gabardine", "معطف"),
        ("Women > Knitwear", 190, 1.1, "size", "jumper, cardigan", "merino, cashmere, mohair", "كنزة"),
        ("Women > Bags", 690, 1.6, "colour", "shoulder bag, tote, clutch", "calfskin, suede, raffia", "حقيبة"),
        ("Women > Heels", 320, 1.1, "size", "pumps, slingbacks, sandals", "nappa, satin, patent leather", "حذاء بكعب"),
        ("Men > Shirts", 130, 1.1, "size", "shirt, overshirt", "poplin, linen, flannel", "قميص"),
        ("Men > Jackets", 450, 0.9, "size", "blazer, field jacket", "wool, waxed cotton, suede", "سترة"),
        ("Accessories > Watches", 210, 1.3, "finish", "watch, chronograph", "steel, gold-plated, titanium", "ساعة يد"),
        ("Accessories > Wallets", 160, 0.9, "colour", "wallet, card holder", "calfskin, grained leather", "محفظة"),
        ("Accessories > Scarves", 140, 1.0, "colour", "scarf, shawl", "silk twill, cashmere", "وشاح"),
        ("Accessories > Sunglasses", 190, 1.0, "colour", "sunglasses", "acetate, titanium", "نظارة شمسية"),
        ("Jewellery > Necklaces", 380, 1.0, "finish", "necklace, pendant", "gold vermeil, pearl, silver", "قلادة"),
        ("Jewellery > Earrings", 260, 1.0, "finish", "earrings, hoops", "gold vermeil, pearl, silver", "أقراط"),
    ),
    *_leaves(
        "Beauty",
        ("Skin care > Serums", 78, 1.6, "volume", "serum, night serum", "vitamin C, peptide, niacinamide", "سيروم"),
        ("Skin care > Moisturisers", 62, 1.2, "volume", "day cream, gel cream", "ceramide, rose, oat", "مرطب"),
        ("Skin care > Cleansers", 34, 1.3, "volume", "cleanser, cleansing balm", "oat, clay, green tea", "غسول"),
        ("Make-up > Lipsticks", 36, 1.2, "shade", "lipstick, lip tint", "satin, matte", "أحمر شفاه"),
        ("Make-up > Mascaras", 32, 0.9, "shade", "mascara", "lengthening, volume", "ماسكارا"),
        ("Perfume > Eau de parfum", 135, 1.5, "volume", "eau de parfum, perfume oil", "oud, iris, neroli", "عطر"),
        ("Hair > Hair masks", 38, 0.8, "volume", "hair mask", "argan, keratin", "قناع للشعر"),
    ),
    *_leaves(
        "Gourmet",
        ("Pantry > Coffee", 18, 1.6, "roast", "coffee beans, ground coffee", "single-origin, house blend", "بن"),
        ("Pantry > Tea", 16, 1.1, "blend", "loose-leaf tea, herbal infusion", "organic, high-grown", "شاي"),
        ("Pantry > Chocolates", 28, 1.0, "blend", "chocolate box, pralines", "dark, milk", "شوكولاتة"),
        ("Kitchen > Coffee makers", 210, 0.8, "finish", "coffee maker, moka pot", "steel, glass", "آلة قهوة"),
        ("Kitchen > Mugs", 24, 1.0, "colour", "mug, espresso cups", "stoneware, porcelain", "كوب"),
    ),
)
"""The tree's leaves, three levels each; departments are the first level."""

DEPARTMENTS: tuple[str, ...] = tuple(dict.fromkeys(leaf.path.split(" > ")[0] for leaf in LEAVES))

VARIANTS: dict[str, tuple[str, ...]] = {
    "colour": ("sand", "midnight blue", "olive", "terracotta"),
    "finish": ("natural", "black", "brass", "ivory"),
    "size": ("S", "M", "L", "XL"),
    "scent": ("fig", "cedar & smoke", "orange blossom", "oud"),
    "volume": ("30 ml", "50 ml", "100 ml", "200 ml"),
    "shade": ("rosé", "brick", "nude", "plum"),
    "roast": ("250 g", "500 g", "1 kg", "decaf 250 g"),
    "blend": ("classic", "spiced", "citrus", "gift box"),
}
"""What the variants of one model differ in, at most four."""

BRANDS: tuple[str, ...] = (
    *("Velmire", "Ondara", "Kasbrook", "Tamrin"),
    *("Halvorn", "Rivellé", "Aurenne Dray", "Molvinho"),
    *("Quillane", "Castervino", "Lysöra", "Brasquel"),
    *("Ostermünd", "Zephyrine Oak", "Belvaine", "Kahvarra"),
    *("Åskelund", "Marchetto Vane", "Soliène", "Teverdin"),
    *("Draymoor", "Ilvantis", "Perloé", "Cocovane"),
    *("Fennimarch", "Dorvelle", "Yasmeraya", "Oruvelle"),
    *("Tessaline", "Vantoro", "Mirabeil", "Grisombe"),
    *("Brackenholt", "Solvanti", "Oudessa", "Zaferin"),
    *("Lorvane", "Pellerossa", "Nacrelle Vo", "Pepperune"),
    *("Estrelmar", "Kourienne", "Thalvée", "Almondeva"),
    *("Wyndarrow", "Sabrélle", "Florimonde", "Savouret"),
    *(
        f"{house} {start}{end}"
        for start in ("Bren", "Cal", "Dov", "Ery", "Fal", "Gav", "Hol", "Jor", "Kel", "Lun", "Mav")
        for end in ("andis", "ovar", "umel", "ystre")
        for house in ("Atelier", "Maison", "Casa", "Studio", "Dar", "Villa", "Haus", "Bottega")
    ),
)
"""All invented. Brand b sells in department b mod 4 and is of style (b div 4) mod 6; smaller shops have the first ones."""

LINES: tuple[str, ...] = (
    *("Lina", "Aria", "Noor", "Søren", "Zoë", "Inès", "Marlo", "Calla", "Juno", "Petra", "Elio", "Rhea", "Tove"),
    *("Amira", "Odette", "Bruno", "Sanna", "Livia", "Nils", "Yara", "Celeste", "Otis", "Maëlle", "Dune", "Faye"),
)
EMOJIS: tuple[str, ...] = ("✨", "🎁", "🌿", "🕯️", "☕")
