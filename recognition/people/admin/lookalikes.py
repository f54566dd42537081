"""Buttons that record, or take back, that two people who look alike are different people."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from accounts.access import Scope, access_of
from accounts.audit import Actor
from recognition.people.models import Person
from recognition.people.selectors import lookalike_ids
from recognition.people.services.lookalikes import lookalike_add, lookalike_remove
from recognition.web.admin.services import refusals_shown


def lookalikes_listed(person: Person) -> Iterable[Person]:
    return Person.objects.filter(pk__in=lookalike_ids(person.pk)).order_by("name")


@require_POST
def lookalike_view(request: HttpRequest, person_id: UUID, other_id: UUID) -> HttpResponse:
    """Adds the pair, or removes it if the form field `do` is "remove"."""
    person, other = (get_object_or_404(Person, pk=pk) for pk in (person_id, other_id))
    if not access_of(request).may(Scope.ENROL):
        raise PermissionDenied
    actor = Actor.of_request(request)
    with refusals_shown(request):
        if request.POST.get("do") == "remove":
            lookalike_remove(person=person, other=other, actor=actor)
            messages.success(request, f"{person.name} and {other.name} may be one person again.")
            return redirect("admin:people_person_change", person.pk)
        lookalike_add(person=person, other=other, actor=actor)
        told = f"{person.name} and {other.name} are two people now. Add the photo again."
        messages.success(request, told)
    return redirect("admin:people_person_photos", person.pk)
