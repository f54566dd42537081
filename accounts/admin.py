"""Users and the audit log in the admin. Keys are in `recognition.people.admin.keys`: they name
collections, of which accounts know nothing."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts.access import Role
from accounts.administrators import is_last_administrator
from accounts.audit import Actor, record
from accounts.dated import DatedAdmin
from accounts.models import AuditEntry, User

# Of a value in a list.
_SHORT = 40

# Roles take the place of Django's groups and permissions.
admin.site.unregister(Group)

_ROLE_COLOURS = {Role.ADMINISTRATOR: "danger", Role.OPERATOR: "info", Role.VIEWER: "default"}


class UserForm(UserChangeForm):
    def clean(self) -> dict[str, Any]:
        """The site must not be left without anybody who may manage it."""
        values = super().clean() or self.cleaned_data
        stays = values.get("role") == Role.ADMINISTRATOR and values.get("is_active")
        if not stays and is_last_administrator(self.instance):
            raise forms.ValidationError("There would be no administrator any more.")
        return values


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):
    form = UserForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "role_label", "first_name", "last_name", "is_active", "last_login")
    list_filter = ("role", "is_active")
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("username", "password", "role", "is_active")}),
        ("About", {"fields": ("first_name", "last_name", "email")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("username", "role", "password1", "password2")}),
    )
    filter_horizontal = ()

    @display(description="Role", label=_ROLE_COLOURS, ordering="role")
    def role_label(self, user: User) -> tuple[str, str]:
        return user.role, user.get_role_display()

    def get_actions(self, request: HttpRequest) -> dict:
        return {}

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        allowed = super().has_delete_permission(request, obj)
        is_oneself = obj is not None and obj.pk == request.user.pk
        return allowed and not is_oneself and not is_last_administrator(obj)

    # In place of Django's own log of the admin.

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        record(Actor.of_request(request), "user.create", obj, role=obj.role)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        fields = [name for part in message if isinstance(part, dict)
                  for name in part.get("changed", {}).get("fields", [])]  # fmt: skip
        record(Actor.of_request(request), "user.update", obj, changed=fields, role=obj.role)

    def log_deletion(self, request: HttpRequest, obj: Any, object_repr: str) -> Any:
        record(Actor.of_request(request), "user.delete", obj)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for user in queryset:
            record(Actor.of_request(request), "user.delete", user)


@admin.register(AuditEntry)
class AuditEntryAdmin(DatedAdmin):
    """Read only: nobody edits the log, an administrator neither."""

    when_empty = "Each search, view, enrolment and deletion is written here."
    list_display = ("at", "actor", "action", "target", "details_text", "address")
    list_display_links = ("at",)
    list_filter = ("action", "target_type")
    search_fields = ("actor", "target_id", "request_id")
    date_hierarchy = "at"

    @display(description="What")
    def target(self, entry: AuditEntry) -> str:
        # The beginning of an id is its time, and so the same in many.
        tail = entry.target_id[-8:]
        return f"{entry.target_type} …{tail}" if tail else entry.target_type

    @display(description="Details")
    def details_text(self, entry: AuditEntry) -> str:
        return ", ".join(f"{name}: {_short(value)}" for name, value in entry.details.items())

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def _short(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{count} {name}" for name, count in value.items())
    if isinstance(value, list):
        told = ", ".join(map(str, value))
        return told if len(told) <= _SHORT else str(len(value))
    return str(value)[:_SHORT]
