"""Names that people can see."""

from __future__ import annotations

import unicodedata

from django.core.exceptions import ValidationError

# Letters and symbols that are drawn as nothing: fillers of Hangul, and the empty Braille cell.
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")


def is_visible(text: str) -> bool:
    """Whether the text has a letter, a digit, a sign or a symbol: not only spaces, accents, and
    characters that are invisible or change the direction."""
    return any(unicodedata.category(c)[0] in "LNPS" and c not in _BLANK for c in text)


def validate_visible(value: str) -> None:
    """Of models, forms and serializers."""
    if not is_visible(value):
        raise ValidationError("This has no character that can be seen.", code="invisible")
