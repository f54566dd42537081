"""Small pictures in lists and forms. Views of the API, which check permissions, send the files."""

from __future__ import annotations

from uuid import UUID

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString


def image_url(image_id: UUID | str) -> str:
    return reverse("image-file", args=[image_id])


def event_face_url(event_id: UUID | str) -> str:
    return reverse("event-face", args=[event_id])


def picture(url: str, *, alt: str, css: str = "fr-thumb") -> SafeString:
    return format_html('<img class="{}" src="{}" alt="{}" loading="lazy">', css, url, alt)


def nothing(text: str = "none") -> SafeString:
    return format_html('<span class="fr-thumb fr-thumb-empty" title="{}"></span>', text)
