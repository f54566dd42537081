"""The page with the map of a collection."""

from __future__ import annotations

from uuid import UUID

from django.contrib.admin.sites import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.access import Scope, access_of
from recognition.people.models import Collection
from recognition.people.selectors import collection_by_id
from recognition.people.services.embedding_map import EmbeddingMap, embedding_map
from recognition.web.boundaries import TemplateContext

# In units of the drawing.
_SIDE, _THUMB = 1000, 56


def map_view(request: HttpRequest, collection_id: UUID, site: AdminSite) -> HttpResponse:
    """Needs the scope to identify, as its faces do."""
    access = access_of(request)
    if not access.may(Scope.IDENTIFY):
        raise PermissionDenied
    collection = collection_by_id(access, collection_id)
    found = embedding_map(collection)
    context = {
        **site.each_context(request),
        "title": f"Map of {collection.name}",
        "opts": Collection._meta,
        "collection": collection,
        "places": _drawn(found),
        "share_percent": 100 * found.share,
        "is_whole": found.is_whole,
        "side": _SIDE + _THUMB,
        "thumb": _THUMB,
    }
    return render(request, "people/map.html", context)


def _drawn(found: EmbeddingMap) -> list[TemplateContext]:
    """From left to right, in which order the keyboard reaches them."""
    return [
        {
            "person": place.person,
            "image": place.image,
            "x": round(place.x * _SIDE),
            "y": round(place.y * _SIDE),
        }
        for place in sorted(found.places, key=lambda place: (place.x, place.y))
    ]
