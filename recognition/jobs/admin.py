"""Jobs in the admin: see their progress and result, cancel them, and start them again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from unfold.decorators import display

from accounts.audit import Actor
from accounts.long_lists import LongListAdmin
from recognition.jobs.kinds import KINDS, title_of
from recognition.jobs.models import Job
from recognition.jobs.payloads import job_payload
from recognition.jobs.services import job_cancel, job_retry, job_start
from recognition.web.admin.services import refusals_shown, row_to_view
from recognition.web.boundaries import TemplateContext
from recognition.web.errors import ServiceError


class KindFilter(admin.SimpleListFilter):
    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, kind.title) for name, kind in KINDS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(Job)
class JobAdmin(LongListAdmin):
    """A list and a page that show running jobs. No form adds or changes a job. Only administrators
    may see them, because they may start jobs of all kinds."""

    when_empty = "Measuring, training and the hourly upkeep appear here."
    list_display = ("title", "state_now", "created_by", "created_at", "ended_at")
    list_filter = (KindFilter, "state")

    class Media:
        js = (forms.Script("jobs/job.js", type="module"),)

    @display(description="Job", ordering="kind")
    def title(self, job: Job) -> str:
        return title_of(job.kind)

    @display(description="State", ordering="state")
    def state_now(self, job: Job) -> str:
        return render_to_string("jobs/progress.html", {"job": job})

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: TemplateContext | None = None,
    ) -> HttpResponse:
        job = row_to_view(self, request, object_id)
        if request.method == "POST":
            with refusals_shown(request):
                job = _do(request, job)
            return redirect(reverse("admin:jobs_job_change", args=[job.pk]))
        context = {
            **self.admin_site.each_context(request),
            "title": title_of(job.kind),
            "opts": self.opts,
            "job": job,
            "max_attempts": job_payload(job)["max_attempts"],
            "media": self.media,
        }
        return render(request, "jobs/job.html", context)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def _do(request: HttpRequest, job: Job) -> Job:
    """Do what the pressed button asks for; returns the job to show next."""
    acts: dict[str, Callable[[Job, Actor], tuple[Job, str]]] = {
        "cancel": _cancel,
        "retry": _retry,
        "now": _now,
    }
    act = acts.get(request.POST.get("do", ""))
    if act is None:
        raise ServiceError("bad_request", "The form does not say what to do.")
    shown, told = act(job, Actor.of_request(request))
    messages.success(request, told)
    return shown


def _cancel(job: Job, actor: Actor) -> tuple[Job, str]:
    cancelled = job_cancel(job=job, actor=actor)
    return cancelled, "It stops at its next step." if cancelled.is_open else "The job is cancelled."


def _retry(job: Job, actor: Actor) -> tuple[Job, str]:
    return job_retry(job=job, actor=actor), "The job is started again."


def _now(job: Job, actor: Actor) -> tuple[Job, str]:
    """Start a job of a single kind that waits for its time (`run_after`)."""
    started = job_start(
        kind=job.kind, actor=actor, parameters=job.parameters, collection=job.collection_id
    )
    return started, "It is due now."
