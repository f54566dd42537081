"""The audit log in the admin. The log stores ids; the page shows their present names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model, Prefetch
from django.http import HttpRequest
from unfold.decorators import display

from accounts.filters import BetweenFilter
from accounts.long_lists import LongListAdmin
from accounts.models import ApiKey, AuditEntry, User
from recognition.cameras.models import Camera
from recognition.events.models import Clip, Event
from recognition.people.models import Collection, FaceImage, Person

# Most characters of a value in the list.
_SHORT = 40
_MOST_NAMED = 3
# For each kind of target: its model, its name for people, and the rows to read with it.
_TARGETS: dict[str, tuple[type[Model], Callable[[Any], str], tuple[str | Prefetch, ...]]] = {
    "person": (Person, lambda row: row.name, ()),
    "faceimage": (FaceImage, lambda row: f"photo of {row.person.name}", ("person",)),
    "event": (Event, lambda row: f"visit of {row.who}", ("person",)),
    "clip": (
        Clip,
        lambda row: f"clip of {_some([event.who for event in row.events.all()])}",
        (Prefetch("events", Event.objects.defer("vector").select_related("person")),),
    ),
    "camera": (Camera, lambda row: f"camera {row.name}", ()),
    "collection": (Collection, lambda row: f"collection {row.name}", ()),
    "apikey": (ApiKey, lambda row: f"key {row.name}", ()),
    "user": (User, lambda row: f"user {row.username}", ()),
}
# Details that hold the id of a person.
_PERSON_DETAILS = ("person", "before", "merged")
# Details that the column of the target already shows.
_FOLDED = {"pictures", "people", "views"}
Names = dict[tuple[str, str], str]


@admin.register(AuditEntry)
class AuditEntryAdmin(LongListAdmin):
    """Read-only, even for administrators."""

    when_empty = "Each search, view, enrolment and deletion is recorded here."
    list_display = ("at", "actor", "action", "whom", "details_text", "address")
    list_display_links = ("at",)
    list_filter = ("action", "target_type", ("at", BetweenFilter))
    list_filter_submit = True
    search_fields = ("actor", "target_id", "request_id", "details")
    fields = (
        "at",
        "actor",
        "action",
        "whom",
        "target_type",
        "target_id",
        "collection_id",
        "request_id",
        "address",
        "details",
    )

    def get_readonly_fields(self, request: HttpRequest, obj: AuditEntry | None = None) -> tuple:
        return self.fields

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changes = super().get_changelist_instance(request)
        names = names_of(changes.result_list)
        for entry in changes.result_list:
            entry.names = names
        return changes

    @display(description="Who or what")
    def whom(self, entry: AuditEntry) -> str:
        names: Names = getattr(entry, "names", None) or names_of([entry])
        if entry.action == "image.view" and entry.details.get("people"):
            people = [_name(names, "person", person) for person in entry.details["people"]]
            views = entry.details["views"]
            return f"{_some(people)} ({views} picture{'' if views == 1 else 's'})"
        return _name(names, entry.target_type, entry.target_id) if entry.target_id else ""

    @display(description="Details")
    def details_text(self, entry: AuditEntry) -> str:
        names: Names = getattr(entry, "names", {})
        told = {name: value for name, value in entry.details.items() if name not in _FOLDED}
        for name in _PERSON_DETAILS:
            if name in told:
                told[name] = _name(names, "person", str(told[name]))
        return ", ".join(f"{name}: {_short(value)}" for name, value in told.items())

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def names_of(entries: Iterable[AuditEntry]) -> Names:
    """The present names of the targets of these entries, and of the people in their details."""
    wanted: dict[str, set[str]] = {}
    for entry in entries:
        wanted.setdefault(entry.target_type, set()).add(entry.target_id)
        people = wanted.setdefault("person", set())
        people |= {str(entry.details[name]) for name in _PERSON_DETAILS if name in entry.details}
        people |= set(entry.details.get("people", ()))
    names: Names = {}
    for kind, (model, name, related) in _TARGETS.items():
        rows = model._default_manager.prefetch_related(*related)
        found = rows.filter(pk__in=_ids(model, wanted.get(kind, ())))
        names |= {(kind, str(row.pk)): name(row) for row in found}
    return names


def _ids(model: type[Model], texts: Iterable[str]) -> list[Any]:
    """The texts that can be a key of the model. Old entries may have ids of another type."""
    found = []
    for text in texts:
        try:
            found.append(model._meta.pk.to_python(text))
        except ValidationError:
            continue
    return found


def _name(names: Names, kind: str, target_id: str) -> str:
    # Show the end of the id: ids begin with the time, so many have the same beginning.
    gone = f"{kind} …{target_id[-8:]}"
    return names.get((kind, target_id), gone)


def _some(names: list[str]) -> str:
    rest = len(names) - _MOST_NAMED
    told = ", ".join(names[:_MOST_NAMED])
    return f"{told} and {rest} other{'' if rest == 1 else 's'}" if rest > 0 else told


def _short(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{count} {name}" for name, count in value.items())
    if isinstance(value, list):
        told = ", ".join(map(str, value))
        return told if len(told) <= _SHORT else str(len(value))
    return str(value)[:_SHORT]
