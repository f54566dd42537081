"""The text by which a person is found: name, external id and labels, as somebody types them."""

from __future__ import annotations

import unicodedata
from typing import Any

from django.db import models

# Letters that Unicode does not take apart.
_PLAIN = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ħ": "h", "ŧ": "t", "ı": "i", "ð": "d"}  # noqa: RUF001
    | {"æ": "ae", "œ": "oe", "þ": "th"}
)


def folded(text: str) -> str:
    """NFKD, case folded, without accents and invisible characters; single spaces. "Élodie" and
    "ELODIE" are both "elodie"."""
    plain = unicodedata.normalize("NFKD", text.casefold()).casefold()
    plain = unicodedata.normalize("NFKD", plain.translate(_PLAIN))
    spaced = " ".join(plain.split())
    return "".join(c for c in spaced if not unicodedata.combining(c) and _is_kept(c))


def search_text(name: str, external_id: str | None, labels: list[str]) -> str:
    """A line for each; a label follows a tab. Folded texts have neither tabs nor line breaks."""
    lines = [folded(name), folded(external_id or ""), *(f"\t{folded(label)}" for label in labels)]
    return "".join(f"{line}\n" for line in lines)


def label_line(label: str) -> str:
    """What the search text of a person with this label contains."""
    return f"\n\t{folded(label)}\n"


class SearchTextField(models.TextField):
    """Follows the row each time it is saved. Compared byte for byte: it is folded already."""

    def pre_save(self, model_instance: Any, add: bool) -> str:  # noqa: FBT001
        row = model_instance
        text = search_text(row.name, row.external_id, row.labels)
        setattr(row, self.attname, text)
        return text

    def db_type(self, connection: Any) -> str | None:
        base = super().db_type(connection)
        if connection.vendor == "mysql":
            return f"{base} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        return base


def _is_kept(character: str) -> bool:
    return unicodedata.category(character)[0] != "C"
