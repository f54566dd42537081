"""The page that measures a collection on its own people, trains its SVM, and shows the results."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.sites import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse

from accounts.access import Scope, access_of
from accounts.audit import Actor
from ml_engine.matching.error_rates import LEAST_ERRORS, people_needed
from recognition.jobs.selectors import newest_job
from recognition.people.index import gallery_of
from recognition.people.models import Collection, Person
from recognition.people.rules import decider_in_force, rules_if_any
from recognition.people.services.calibration import (
    CalibrationState,
    calibration_state,
    measuring_start,
)
from recognition.people.services.collections import collection_update
from recognition.people.services.deciders import decider_state, training_start
from recognition.web.admin.services import refusals_shown
from recognition.web.boundaries import TemplateContext
from recognition.web.errors import ServiceError

RULE_SOURCES = {
    "fixed": "set by hand",
    "target_rate": "from the target false-match rate",
    "gallery_size": "from the size of the gallery",
}
CURVE_SOURCES = {"model": "the model's curve", "own": "the collection's own curve"}


def measure_view(request: HttpRequest, collection_id: UUID, site: AdminSite) -> HttpResponse:
    """Needs the scope to identify; the buttons need the scope to manage."""
    collection = get_object_or_404(Collection.objects.select_related("embedder"), pk=collection_id)
    access = access_of(request)
    if not access.may(Scope.MANAGE if request.method == "POST" else Scope.IDENTIFY):
        raise PermissionDenied
    if request.method == "POST":
        with refusals_shown(request):
            messages.success(request, _do(request, collection))
        return redirect(reverse("admin:people_collection_measured", args=[collection_id]))
    state = calibration_state(collection)
    context = {
        **site.each_context(request),
        "title": f"Thresholds and training: {collection.name}",
        "opts": Collection._meta,
        "collection": collection,
        "may_manage": access.may(Scope.MANAGE),
        "may_merge": access.may(Scope.ENROL),
        "rule": _rule(collection),
        "state": state,
        "points": _points(state) if state else [],
        "deciders": _deciders(state) if state else [],
        "discard_one_in": _one_in(state.figures["discard_fmr"]) if state else None,
        "equal_error_percent": percent(state.figures["eer"]) if state else None,
        "pairs": pairs_shown(state) if state else [],
        "people_needed": people_needed(),
        "least_errors": LEAST_ERRORS,
        "decider": decider_state(collection),
        "decides": Collection.Decider(decider_in_force(collection)),
        "measuring": newest_job("measure", collection.pk),
        "training": newest_job("train_decider", collection.pk),
        "checkbox": ACTION_CHECKBOX_NAME,
    }
    return render(request, "people/measure.html", context)


def _do(request: HttpRequest, collection: Collection) -> str:
    """Run the action of the pressed button; returns the message for the user."""
    acts: dict[str, Callable[[Collection, Actor], str]] = {
        "measure": _measure,
        "use": _use,
        "stop": _stop,
        "train": _train,
    }
    act = acts.get(request.POST.get("do", ""))
    if act is None:
        raise ServiceError("bad_request", "The form does not say what to do.")
    return act(collection, Actor.of_request(request))


def _measure(collection: Collection, actor: Actor) -> str:
    measuring_start(collection=collection, actor=actor)
    return "The collection is being measured."


def _use(collection: Collection, actor: Actor) -> str:
    collection_update(collection=collection, actor=actor, uses_own_curve=True)
    return "Thresholds come from the collection's own curve now."


def _stop(collection: Collection, actor: Actor) -> str:
    collection_update(collection=collection, actor=actor, uses_own_curve=False)
    return "Thresholds come from the model's curve again."


def _train(collection: Collection, actor: Actor) -> str:
    training_start(collection=collection, actor=actor)
    return "The SVM is being trained."


def _rule(collection: Collection) -> TemplateContext | None:
    """None if the collection has no threshold."""
    rules = rules_if_any(collection, gallery_of(collection))
    if rules is None:
        return None
    return {
        "threshold": rules.threshold,
        "source": RULE_SOURCES[rules.source],
        "curve": CURVE_SOURCES[rules.curve_source],
    }


def _points(state: CalibrationState) -> list[TemplateContext]:
    """The operating points for the page: rates as "1 in N" and as percentages."""
    return [
        {
            "one_in": _one_in(point["fmr"]),
            "threshold": point["threshold"],
            "missed": percent(point["fnmr"]),
            "interval": [percent(end) for end in point["fnmr_interval"] or ()],
            "false_match_count": point["false_match_count"],
            "has_enough_pairs": point["has_enough_pairs"],
        }
        for point in state.points
    ]


def _one_in(rate: float | None) -> int | None:
    return round(1 / rate) if rate else None


def _deciders(state: CalibrationState) -> list[TemplateContext]:
    """Ways to rank people, in percent."""
    return [
        {
            "label": Collection.Decider(each["name"]).label,
            "is_better": each["is_better"],
            **{name: 100 * value for name, value in each.items() if isinstance(value, float)},
        }
        for each in state.figures["deciders"]
    ]


def percent(rate: float | None) -> float | None:
    return None if rate is None else 100 * rate


def pairs_shown(state: CalibrationState) -> list[TemplateContext]:
    return [
        {
            "people": [_with_image(pair.first), _with_image(pair.second)],
            "similarity": pair.similarity,
            "is_left_out": pair.is_left_out,
        }
        for pair in state.similar_pairs
    ]


def _with_image(person: Person) -> TemplateContext:
    best = person.images.order_by("-quality").values_list("pk", flat=True).first()
    return {"person": person, "image": best}
