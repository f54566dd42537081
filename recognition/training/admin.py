"""Training runs in the admin: start one, watch its curve, cancel it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from unfold.decorators import display

from accounts.audit import Actor
from recognition.cameras.models import Camera
from recognition.people.models import Collection
from recognition.training.models import TrainingRun
from recognition.training.options import Option, Value, defaults_of, options_of
from recognition.training.services.faces import folder_names
from recognition.training.services.runs import training_run_cancel, training_run_start
from recognition.web.admin.services import ServiceAdmin, refusals_shown, row_to_view
from recognition.web.boundaries import FieldOptions, TemplateContext
from recognition.web.errors import ServiceError

_Task = TrainingRun.Task
# Rows of the comparison of an adaptation.
_COMPARED = {
    "unchanged": "Unchanged",
    "mean_shift": "Mean of the camera shifted, without training",
    "ridge": "Ridge regression, without training",
    "adapted": "Adapted",
}


class TrainingForm(forms.Form):
    """A run with the options of its task."""

    name = forms.CharField(max_length=64, help_text="Of the model.")
    collection = forms.ModelChoiceField(
        Collection.objects.order_by("name"),
        required=False,
        help_text="Its people with recorded consent are trained on.",
    )
    folder = forms.ChoiceField(required=False, help_text="Instead, of TRAINING_DATA_DIR.")
    camera = forms.ModelChoiceField(Camera.objects.order_by("name"), help_text="Of the collection.")
    licence = forms.CharField(max_length=200, required=False)

    def __init__(self, task: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.task = task
        folders = [("", "none"), *((name, name) for name in folder_names())]
        self.fields["folder"].choices = folders  # type: ignore[attr-defined]
        for name in ("camera",) if task == _Task.TRAIN else ("folder",):
            del self.fields[name]
        defaults = defaults_of(task)
        self._options = options_of(task)
        self.fields |= {
            name: _field(option, defaults[name]) for name, option in self._options.items()
        }

    def main(self) -> list[forms.BoundField]:
        return [field for field in self if not self._is_hidden(field.name)]

    def more(self) -> list[forms.BoundField]:
        return [field for field in self if self._is_hidden(field.name)]

    def _is_hidden(self, name: str) -> bool:
        return name in self._options and not self._options[name].is_main

    def start(self, actor: Actor) -> TrainingRun:
        values = dict(self.cleaned_data)
        given = {name: values.pop(name) for name in self._options}
        options = {name: None if value == "" else value for name, value in given.items()}
        return training_run_start(task=self.task, actor=actor, options=options, **values)


def _field(option: Option, default: Value | None) -> forms.Field:
    values: FieldOptions = {
        "initial": default,
        "required": False,
        "help_text": option.help,
        "label": option.label or None,
    }
    if option.choices:
        return forms.ChoiceField(choices=[(each, each) for each in option.choices], **values)
    if option.kind is bool:
        return forms.BooleanField(**values)
    kind: Any = forms.IntegerField if option.kind is int else forms.FloatField
    return kind(min_value=option.low, max_value=option.high, **values)


@admin.register(TrainingRun)
class TrainingRunAdmin(ServiceAdmin):
    """Only for administrators. A form starts a run; nothing changes one."""

    when_empty = "Train a network on your people, or adapt a preset to a camera."
    list_display = ("name", "task", "collection", "state_told", "created_by", "created_at")
    list_select_related = ("collection", "job")

    class Media:
        js = (forms.Script("jobs/job.js", type="module"),)

    @display(description="State")
    def state_told(self, run: TrainingRun) -> str:
        if run.job is None or run.state_now != TrainingRun.State.OPEN:
            return TrainingRun.State(run.state_now).label
        return render_to_string("jobs/progress.html", {"job": run.job})

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        task = _Task.ADAPT if request.GET.get("task") == _Task.ADAPT else _Task.TRAIN
        has_choice = task == _Task.TRAIN and folder_names()
        initial = {} if has_choice else self.get_changeform_initial_data(request)
        form = TrainingForm(task, request.POST or None, initial=initial)
        if request.method == "POST" and form.is_valid():
            try:
                run = form.start(Actor.of_request(request))
            except ServiceError as error:
                form.add_error(None, error.message)
            else:
                return redirect("admin:training_trainingrun_change", run.pk)
        context = self._context(request, form=form, task=task, tasks=_Task.choices)
        return render(request, "training/new.html", context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: TemplateContext | None = None,
    ) -> HttpResponse:
        """Its curve, and what came of it."""
        run = row_to_view(self, request, object_id)
        if request.method == "POST":
            keep_best = request.POST.get("do") == "keep"
            with refusals_shown(request):
                training_run_cancel(run=run, actor=Actor.of_request(request), keep_best=keep_best)
                told = "It ends with the best weights so far." if keep_best else "It is cancelled."
                messages.success(request, told)
            return redirect("admin:training_trainingrun_change", run.pk)
        context = self._context(
            request,
            run=run,
            state=TrainingRun.State(run.state_now).label,
            is_open=run.state_now == TrainingRun.State.OPEN,
            compared=_compared(run),
            judged=run.figures.get("others"),
        )
        return render(request, "training/run.html", context)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def _context(self, request: HttpRequest, **values: Any) -> TemplateContext:
        return {**self.admin_site.each_context(request), "opts": self.opts, **values}


def _compared(run: TrainingRun) -> list[TemplateContext]:
    rows = run.figures.get("compared", [])
    return [{**row, "title": _COMPARED[row["name"]]} for row in rows]
