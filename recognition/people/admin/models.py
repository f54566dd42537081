"""Models in the admin: drop a file on a page, evaluate it, see its card."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import action, display

from accounts.access import Scope, access_of
from accounts.audit import Actor
from ml_engine.formats import Wish, placeholder_values
from ml_engine.formats.keras_graphs import WEIGHT_NETWORKS
from ml_engine.images import encode_png
from ml_engine.inside import Inside
from ml_engine.matching.error_rates import people_needed
from ml_engine.types import Image
from ml_engine.zoo import PRESETS, Preprocessing
from ml_engine.zoo.preprocessing import per_channel
from recognition.jobs.models import Job
from recognition.people.admin.model_facts import figures_shown, report_shown
from recognition.people.model_versions import LOADED
from recognition.people.models import Collection, FaceImage, ModelVersion
from recognition.people.services.insight import insight
from recognition.people.services.model_curves import (
    curve_effects,
    evaluated_curve,
    evaluated_curve_use,
)
from recognition.people.services.own_models import evaluating_start, model_add, model_remove
from recognition.web.admin.services import ServiceAdmin, refusals_shown
from recognition.web.boundaries import TemplateContext
from recognition.web.errors import ServiceError
from recognition.web.uploads import upload_on_disk

_FOUND = "found in the file"
_PLAIN_WISHES = ("input", "output", "layout", "network", "checkpoint", "alignment", "margin")
# Those that can be chosen on the page of what a network sees.
_FACES = 12


class _PerChannelField(forms.CharField):
    """One number, or three."""

    def clean(self, value: Any) -> Any:
        try:
            return per_channel(super().clean(value))
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error


class ModelFileForm(forms.Form):
    """A file, and what it does not tell of itself."""

    file = forms.FileField()
    name = forms.CharField(max_length=64)
    licence = forms.CharField(max_length=200, required=False)
    training_data = forms.CharField(max_length=500, required=False, label="Training data")
    input = forms.CharField(required=False, help_text=_FOUND)
    output = forms.CharField(
        required=False, help_text=f"{_FOUND}; any tensor, or a layer of a Keras file"
    )
    size = forms.IntegerField(required=False, min_value=16, max_value=1024, help_text=_FOUND)
    layout = forms.ChoiceField(
        required=False, choices=[("", _FOUND), ("nhwc", "nhwc"), ("nchw", "nchw")]
    )
    network = forms.ChoiceField(
        required=False,
        choices=[("", "in the file"), *((name, name) for name in WEIGHT_NETWORKS)],
        help_text="of weights without a network",
    )
    checkpoint = forms.CharField(required=False, help_text="its prefix, if a ZIP holds several")
    values = forms.CharField(
        required=False, help_text="of other placeholders: keep_prob=1.0, separated by commas"
    )
    mean = _PerChannelField(initial="127.5", help_text="one number, or three with commas")
    scale = _PerChannelField(initial="128", help_text="the network takes (pixel - mean) / scale")
    channels = forms.ChoiceField(choices=[(each, each) for each in ("rgb", "bgr", "grey")])
    is_whitened = forms.BooleanField(
        required=False, label="Each picture by its own mean and deviation"
    )
    alignment = forms.ChoiceField(choices=[(each, each) for each in ("arcface", "dlib", "box")])
    margin = forms.FloatField(initial=0.0, min_value=0, max_value=2, help_text="of a box")

    def clean(self) -> dict[str, Any]:
        """Adds `wish`."""
        values = super().clean() or {}
        if self.errors:
            return values
        made_of = ("mean", "scale", "channels", "is_whitened")
        try:
            preprocessing = Preprocessing(**{name: values[name] for name in made_of})
            told = placeholder_values(filter(None, values["values"].split(",")))
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error
        values["wish"] = Wish(
            size=values["size"] or 0,
            values=told,
            preprocessing=preprocessing,
            **{name: values[name] for name in _PLAIN_WISHES},
        )
        return values

    def add(self, actor: Actor) -> ModelVersion:
        values = self.cleaned_data
        with upload_on_disk(values["file"]) as path:
            return model_add(
                path=path,
                actor=actor,
                **{name: values[name] for name in ("name", "wish", "licence", "training_data")},
            )


@admin.register(ModelVersion)
class ModelVersionAdmin(ServiceAdmin):
    """Rows of presets are made from the engine's cards; models of the user's own are added here."""

    when_empty = "A model appears here when a collection uses it, or when you add one."
    list_display = ("version", "role", "source", "state", "dimension", "created_at")
    actions_detail = ("evaluate", "sees")
    fields = (
        "name",
        "role",
        "source",
        "state",
        "about",
        "licence_told",
        "training_data_told",
        "trained_on",
        "dimension",
        "sha256",
        "figures_told",
        "curve",
        "curve_that_waits",
        "report_told",
        "created_at",
    )

    @display(description="About")
    def about(self, version: ModelVersion) -> str:
        if version.source == ModelVersion.Source.FILE:
            return "A model of your own."
        return self._card(version, "about")

    @display(description="Licence")
    def licence_told(self, version: ModelVersion) -> str:
        return version.licence or self._card(version, "licence")

    @display(description="Training data")
    def training_data_told(self, version: ModelVersion) -> str:
        return version.training_data or self._card(version, "training_data")

    @display(description="People of this site", empty_value="none")
    def trained_on(self, version: ModelVersion) -> str | None:
        known, gone = version.trained_people.count(), version.people_gone
        if not gone:
            return f"trained on {known}" if known else None
        return (
            f"trained on {known + gone}, {gone} of whom were erased or withdrew their consent "
            "since: train it anew without them, and remove this one"
        )

    @display(description="Figures", empty_value="not measured")
    def figures_told(self, version: ModelVersion) -> str | None:
        return figures_shown(version)

    @display(description="What it was made of", empty_value="a preset")
    def report_told(self, version: ModelVersion) -> str | None:
        return report_shown(version)

    @display(description="Impostor score curves", empty_value="none")
    def curve(self, version: ModelVersion) -> str:
        return "; ".join(
            f"with {detector}: {curve['pairs']:,} pairs, {curve['source']}"
            f"{', loaded' if curve.get(LOADED) else ''}"
            for detector, curve in version.impostor_curves.items()
        )

    @display(description="Curve of the last evaluation")
    def curve_that_waits(self, version: ModelVersion) -> str:
        if evaluated_curve(version) is None:
            return "in force" if version.figures else "none"
        page = reverse("admin:people_modelversion_evaluate", args=[version.pk])
        return format_html('<a href="{}">not in force: see what it would change</a>', page)

    def _card(self, version: ModelVersion, field: str) -> str:
        if version.source == ModelVersion.Source.FILE:
            return "not told"
        preset = PRESETS.get(version.name)
        return getattr(preset, field) if preset else "no longer part of Facerec"

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = ModelFileForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            try:
                version = form.add(Actor.of_request(request))
            except ServiceError as error:
                form.add_error("file", error.message)
            else:
                messages.success(request, f"{version} was added. Evaluate it next.")
                return redirect("admin:people_modelversion_change", version.pk)
        return render(request, "people/model_new.html", self._context(request, form=form))

    @action(description="Evaluate", url_path="evaluate", icon="query_stats", permissions=["view"])
    def evaluate(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """A page that asks on whose faces."""
        if not access_of(request).may(Scope.MANAGE):
            raise PermissionDenied
        version = self.row_or_404(request, object_id)
        assert isinstance(version, ModelVersion)
        collections = list(Collection.objects.order_by("name"))
        if request.method == "POST":
            with refusals_shown(request):
                if request.POST.get("do") == "use_curve":
                    evaluated_curve_use(version=version, actor=Actor.of_request(request))
                    messages.success(request, "The new curve is in force.")
                    return redirect("admin:people_modelversion_change", version.pk)
                id_ = request.POST.get("collection")
                chosen = [row for row in collections if str(row.pk) == id_]
                job = self._evaluation(version, chosen, Actor.of_request(request))
                return redirect("admin:jobs_job_change", job.pk)
        curve = evaluated_curve(version)
        context = self._context(
            request,
            version=version,
            collections=collections,
            users=Collection.objects.filter(Q(embedder=version) | Q(candidate=version)),
            is_file=version.source == ModelVersion.Source.FILE,
            curve=curve,
            effects=curve_effects(version) if curve is not None else [],
            people_needed=people_needed(),
        )
        return render(request, "people/model_evaluate.html", context)

    def _evaluation(self, version: ModelVersion, chosen: list[Collection], actor: Actor) -> Job:
        if not chosen:
            raise ServiceError("bad_request", "Choose a collection.")
        return evaluating_start(version=version, collection=chosen[0], actor=actor)

    @action(description="What it sees", url_path="sees", icon="visibility", permissions=["view"])
    def sees(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The layers of the network, and what they make of a stored face. It runs in this process,
        so it is for those who may add models."""
        if not access_of(request).may(Scope.MANAGE):
            raise PermissionDenied
        version = self.row_or_404(request, object_id)
        assert isinstance(version, ModelVersion)
        faces = list(FaceImage.objects.select_related("person").order_by("-pk")[:_FACES])
        context: dict[str, Any] = {"version": version, "faces": faces}
        if faces:
            chosen = next(
                (row for row in faces if str(row.pk) == request.GET.get("face")), faces[0]
            )
            context["chosen"] = chosen
            try:
                seen = insight(version=version, image=chosen, actor=Actor.of_request(request))
                context |= _pictures(seen)
            except ServiceError as error:
                context["refusal"] = error.message
        return render(request, "people/model_sees.html", self._context(request, **context))

    def _context(self, request: HttpRequest, **values: Any) -> TemplateContext:
        return {**self.admin_site.each_context(request), "opts": self.opts, **values}

    def get_readonly_fields(self, request: HttpRequest, obj: ModelVersion | None = None) -> tuple:
        return self.fields

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        is_own = isinstance(obj, ModelVersion) and obj.source == ModelVersion.Source.FILE
        return is_own and super().has_delete_permission(request, obj)

    def delete_model(self, request: HttpRequest, obj: ModelVersion) -> None:
        model_remove(version=obj, actor=Actor.of_request(request))

    def log_deletions(self, request: HttpRequest, queryset: Any) -> None:
        """Do not use Django's own log of the admin: the service writes to the audit log."""


def _pictures(seen: Inside) -> dict[str, Any]:
    return {
        "seen": seen,
        "size": seen.face.shape[0],
        "weights": sum(layer.weights for layer in seen.layers),
        "face": _png(seen.face),
        "edges": _png(seen.edges),
        "filters": None if seen.filters is None else _png(seen.filters),
        "maps": [(layer, _png(picture)) for layer, picture in seen.maps],
    }


def _png(picture: Image) -> str:
    """As an address that holds the whole picture."""
    return f"data:image/png;base64,{b64encode(encode_png(picture)).decode()}"
