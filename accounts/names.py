"""Names must have a visible character."""

from __future__ import annotations

import unicodedata

from django.core.exceptions import ValidationError

# Letters and symbols that are drawn blank: fillers of Hangul, and the empty Braille cell.
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")


def is_visible(text: str) -> bool:
    """True if the text has a letter, digit, punctuation mark or symbol, and not only spaces,
    accents, and characters that are invisible or change the direction of the text."""
    return any(unicodedata.category(c)[0] in "LNPS" and c not in _BLANK for c in text)


def validate_visible(value: str) -> None:
    """A validator for models, forms and serializers."""
    if not is_visible(value):
        raise ValidationError("This has no character that can be seen.", code="invisible")
