"""The page that changes a collection's model: both models side by side, progress, and buttons."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.admin.sites import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse

from accounts.access import Scope, access_of
from accounts.audit import Actor
from recognition.jobs.selectors import newest_job
from recognition.people.admin.fields import EmbedderField
from recognition.people.admin.measuring import pairs_shown, percent
from recognition.people.models import Collection, ModelChange, ModelVersion
from recognition.people.services.calibration import calibration_state
from recognition.people.services.model_changes import (
    JOB,
    change_progress,
    images_lost,
    model_change_cancel,
    model_change_let_go,
    model_change_roll_back,
    model_change_start,
    model_change_switch,
    newest_change,
)
from recognition.web.admin.services import refusals_shown
from recognition.web.boundaries import TemplateContext
from recognition.web.errors import ServiceError

_State = ModelChange.State
# The buttons of each state.
BUTTONS: dict[str, tuple[str, ...]] = {
    _State.EMBEDDING: ("cancel",),
    _State.READY: ("switch", "cancel"),
    _State.SWITCHED: ("roll_back", "let_go"),
    _State.ROLLED_BACK: ("switch", "cancel"),
}
_LOST_SHOWN = 24


class ModelForm(forms.Form):
    embedder = EmbedderField(label="New model")


def model_change_view(request: HttpRequest, collection_id: UUID, site: AdminSite) -> HttpResponse:
    """For administrators."""
    if not access_of(request).may(Scope.MANAGE):
        raise PermissionDenied
    rows = Collection.objects.select_related("embedder", "candidate")
    collection = get_object_or_404(rows, pk=collection_id)
    if request.method == "POST":
        with refusals_shown(request):
            messages.success(request, _do(request, collection))
        return redirect(reverse("admin:people_collection_model_change", args=[collection_id]))
    change = newest_change(collection)
    context = {
        **site.each_context(request),
        "title": f"Model of {collection.name}",
        "opts": Collection._meta,
        "collection": collection,
        "form": ModelForm(),
        "change": change,
        "may_manage": True,
        "job": newest_job(JOB, collection.pk),
        **(_of_change(change) if change else {}),
    }
    return render(request, "people/model_change.html", context)


def _do(request: HttpRequest, collection: Collection) -> str:
    acts: dict[str, Callable[[HttpRequest, Collection, Actor], str]] = {
        "start": _start,
        "switch": _switch,
        "roll_back": _roll_back,
        "let_go": _let_go,
        "cancel": _cancel,
    }
    act = acts.get(request.POST.get("do", ""))
    if act is None:
        raise ServiceError("bad_request", "The form does not say what to do.")
    return act(request, collection, Actor.of_request(request))


def _start(request: HttpRequest, collection: Collection, actor: Actor) -> str:
    form = ModelForm(request.POST)
    if not form.is_valid():
        raise ServiceError("bad_request", "Choose one of the models.")
    model = form.cleaned_data["embedder"]
    model_change_start(collection=collection, model=model, actor=actor)
    return f"Every face is being embedded by {model.version}. Nothing changes until the switch."


def _switch(request: HttpRequest, collection: Collection, actor: Actor) -> str:
    change = model_change_switch(
        collection=collection, actor=actor, accepted_losses=_accepted_losses(request)
    )
    told = f"{change.target.version} is in force."
    row = change.collection
    if row.candidate_threshold is None or row.match_threshold is not None:
        return told
    return (
        f"{told} The fixed threshold of {row.candidate_threshold:.3f} belongs to the former model: "
        "the threshold follows from the target rate now."
    )


def _roll_back(request: HttpRequest, collection: Collection, actor: Actor) -> str:
    change = model_change_roll_back(
        collection=collection, actor=actor, accepted_losses=_accepted_losses(request)
    )
    return f"{change.source.version} is in force again, with its rules."


def _accepted_losses(request: HttpRequest) -> int:
    accepted = request.POST.get("accepted_losses", "")
    return int(accepted) if accepted.isdecimal() else 0


def _let_go(request: HttpRequest, collection: Collection, actor: Actor) -> str:
    change = model_change_let_go(collection=collection, actor=actor)
    return f"What {change.source.version} left is being removed."


def _cancel(request: HttpRequest, collection: Collection, actor: Actor) -> str:
    change = model_change_cancel(collection=collection, actor=actor)
    return f"{change.source.version} stays. What {change.target.version} left is being removed."


def _of_change(change: ModelChange) -> TemplateContext:
    lost = images_lost(change).values_list("image", "image__person__name")
    sides = [_side(change, "source", change.source), _side(change, "target", change.target)]
    return {
        "is_open": change.ended_at is None,
        "buttons": BUTTONS.get(change.state, ()),
        "progress": change_progress(change),
        "lost": list(lost[:_LOST_SHOWN]),
        "sides": sides if change.ended_at is None else [],
        "cameras": change.collection.cameras.filter(model=change.other),
    }


def _title(change: ModelChange, side: str) -> str:
    if side == "target":
        return "New model"
    return "Present model" if change.kept == change.source else "Former model"


def _side(change: ModelChange, side: str, model: ModelVersion) -> TemplateContext:
    state = calibration_state(change.collection.seen_by(model))
    return {
        "side": side,
        "model": model.version,
        "title": _title(change, side),
        "is_in_force": model == change.kept,
        "missed": change.figures.get(model.version),
        "state": state,
        "equal_error_percent": percent(state.figures["eer"]) if state else None,
        "pairs": pairs_shown(state) if state else [],
    }
