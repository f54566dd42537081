"""Photos of a person in the admin: upload with a result for each photo, and delete."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.admin.sites import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from accounts.access import Scope, access_of
from accounts.audit import Actor
from ml_engine.types import EngineError
from recognition.people.admin.upload_report import UploadRow, report_of
from recognition.people.models import FaceImage, Person
from recognition.people.services.enrolment import image_delete, images_enrol
from recognition.web.admin.services import refusals_shown
from recognition.web.errors import ServiceError
from recognition.web.uploads import Upload


def limits() -> dict[str, int]:
    """Limits on the number and size of photos, the same as for REST."""
    return {
        "most_photos": settings.MAX_IMAGES_PER_REQUEST,
        "most_mb": settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 2**20,
        "photo_mb": settings.MAX_IMAGE_MB,
    }


def person_url(person_id: UUID | str) -> str:
    return reverse("admin:people_person_change", args=[person_id]) + "#photos"


def photos_view(request: HttpRequest, person_id: UUID, site: AdminSite) -> HttpResponse:
    """The upload form. After an upload, also what the engine found in each photo."""
    person = get_object_or_404(Person, pk=person_id)
    if not access_of(request).may(Scope.ENROL):
        raise PermissionDenied
    report: list[UploadRow] = []
    problem = ""
    if request.method == "POST":
        try:
            report = _enrol(request, person)
        except (ServiceError, EngineError) as error:
            problem = error.message
    context = {
        **site.each_context(request),
        **limits(),
        "title": f"Add photos of {person.name}",
        "opts": Person._meta,
        "person": person,
        "report": report,
        "problem": problem,
        "accepted": sum(row.accepted for row in report),
        "photo_count": person.images.count(),
    }
    return render(request, "people/add_photos.html", context)


@require_POST
def photo_delete_view(request: HttpRequest, person_id: UUID, image_id: UUID) -> HttpResponse:
    image = get_object_or_404(FaceImage, pk=image_id, person_id=person_id)
    if not access_of(request).may(Scope.ENROL):
        raise PermissionDenied
    with refusals_shown(request):
        image_delete(image=image, actor=Actor.of_request(request))
        messages.success(request, "The photo and its template are gone.")
    return redirect(person_url(person_id))


def _enrol(request: HttpRequest, person: Person) -> list[UploadRow]:
    files, most = request.FILES.getlist("photos"), limits()
    size = sum(file.size or 0 for file in files)
    if not files:
        raise ServiceError("no_photo", "Choose at least one photo.")
    if len(files) > most["most_photos"] or size > most["most_mb"] * 2**20:
        told = f"at most {most['most_photos']} photos and {most['most_mb']} MB"
        raise ServiceError("too_many_photos", f"This is too much at once: {told}.")
    # Read just enough of a file to see that it is too large.
    enough = most["photo_mb"] * 2**20 + 1
    uploads = [Upload(file.name or "", file.read(enough)) for file in files]
    outcomes = images_enrol(
        person=person, uploads=uploads, source="admin", actor=Actor.of_request(request)
    )
    return report_of(uploads, outcomes)
