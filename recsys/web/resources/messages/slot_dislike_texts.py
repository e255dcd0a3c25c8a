"""Texts of the page that asks whether an item shall not be shown again, in each language of reasons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple


class DislikeTexts(NamedTuple):
    """Texts of one language: the question, of which `title` is the item's; the buttons; and what is said after each."""

    language: str
    direction: Literal["ltr", "rtl"]
    ask: str
    hide: str
    hidden: str
    undo: str
    shown: str
    failed: str
    again: str


TEXTS: Mapping[str, DislikeTexts] = {
    each.language: each
    for each in (
        DislikeTexts(
            "en",
            "ltr",
            ask="Don't show this again? {title}",
            hide="Don't show this again",
            hidden="Done. We will not recommend this to you for some time.",
            undo="Undo",
            shown="Done. We may recommend this to you again.",
            failed="That did not work just now. Please try again in a moment.",
            again="Try again",
        ),
        DislikeTexts(
            "de",
            "ltr",
            ask="Nicht mehr zeigen? {title}",
            hide="Nicht mehr zeigen",
            hidden="Erledigt. Wir empfehlen Ihnen das für einige Zeit nicht mehr.",
            undo="Rückgängig machen",
            shown="Erledigt. Wir empfehlen Ihnen das vielleicht wieder.",
            failed="Das hat gerade nicht geklappt. Bitte versuchen Sie es gleich noch einmal.",
            again="Noch einmal versuchen",
        ),
        DislikeTexts(
            "fr",
            "ltr",
            ask="Ne plus afficher cet article ? {title}",
            hide="Ne plus afficher",
            hidden="C'est fait. Nous ne vous recommanderons plus cet article pendant quelque temps.",
            undo="Annuler",
            shown="C'est fait. Nous pourrons de nouveau vous recommander cet article.",
            failed="Cela n'a pas fonctionné. Veuillez réessayer dans un instant.",
            again="Réessayer",
        ),
        DislikeTexts(
            "ar",
            "rtl",
            ask="ألا تريد رؤية هذا المنتج مرة أخرى؟ {title}",
            hide="لا تعرض هذا مرة أخرى",
            hidden="تم. لن نوصيك بهذا المنتج لبعض الوقت.",
            undo="تراجع",
            shown="تم. قد نوصيك بهذا المنتج مرة أخرى.",
            failed="تعذّر ذلك الآن. يُرجى المحاولة مرة أخرى بعد قليل.",
            again="حاول مرة أخرى",
        ),
    )
}
"""Language = its texts."""
