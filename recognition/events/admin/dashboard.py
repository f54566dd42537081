"""The start page of the admin (counts, state of the engine, last events) and its menu."""

from __future__ import annotations

from typing import TypedDict

from django.http import HttpRequest
from django.urls import reverse

from accounts.access import Scope, access_of
from recognition.engine import engine_state
from recognition.events.models import Event
from recognition.events.selectors import counts
from recognition.people.index import snapshot_problems
from recognition.people.model_versions import missing_versions
from recognition.web.boundaries import TemplateContext
from recognition.web.database_room import storage_problems


class NavigationItem(TypedDict):
    title: str
    icon: str
    link: str


class NavigationGroup(TypedDict):
    title: str
    items: list[NavigationItem]


def dashboard(request: HttpRequest, context: TemplateContext) -> TemplateContext:
    """Unfold's DASHBOARD_CALLBACK."""
    access = access_of(request)
    context["title"] = "Start"
    context["may_enrol"] = access.may(Scope.ENROL)
    context["counts"] = counts(access)
    context["engine"] = engine_state()
    context["storage_problems"] = storage_problems()
    context["missing_versions"] = missing_versions() if access.may(Scope.MANAGE) else []
    context["snapshot_problems"] = snapshot_problems() if access.may(Scope.MANAGE) else []
    context["last_events"] = Event.objects.select_related("person", "camera")[:12]
    return context


def navigation(request: HttpRequest) -> list[NavigationGroup]:
    """The menu in Unfold's sidebar. Pages that users need most come first."""
    administrator = access_of(request).may(Scope.MANAGE)

    def item(title: str, icon: str, url: str) -> NavigationItem:
        return {"title": title, "icon": icon, "link": reverse(url)}

    watch = [
        item("Start", "home", "admin:index"),
        item("Live", "videocam", "live"),
        item("Try it", "image_search", "try"),
        item("Events", "history", "admin:events_event_changelist"),
    ]
    imports = [item("Imports", "drive_folder_upload", "admin:bulk_importrun_changelist")]
    training = [item("Training", "model_training", "admin:training_trainingrun_changelist")]
    gallery = [
        item("People", "group", "admin:people_person_changelist"),
        *(imports if access_of(request).may(Scope.ENROL) else []),
        item("Collections", "photo_library", "admin:people_collection_changelist"),
        item("Cameras", "camera_outdoor", "admin:cameras_camera_changelist"),
        item("Models", "neurology", "admin:people_modelversion_changelist"),
        *(training if administrator else []),
    ]
    system = [
        item("Users", "manage_accounts", "admin:accounts_user_changelist"),
        item("API keys", "key", "admin:accounts_apikey_changelist"),
        item("Jobs", "pending_actions", "admin:jobs_job_changelist"),
        item("Exports", "archive", "admin:bulk_export_changelist"),
        item("Webhooks", "webhook", "admin:notices_webhook_changelist"),
        item("Audit log", "policy", "admin:accounts_auditentry_changelist"),
        item("API docs", "api", "docs"),
    ]
    groups: list[NavigationGroup] = [
        {"title": "Watch", "items": watch},
        {"title": "Gallery", "items": gallery},
    ]
    return [*groups, {"title": "System", "items": system}] if administrator else groups
