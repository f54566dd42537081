"""Users in the admin.

API keys and the audit log are in `recognition.people.admin.keys` and
`recognition.events.admin.audit`, because they show collections and people and this app must not
import those.
"""

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
from accounts.models import User

# Roles replace Django's groups and permissions.
admin.site.unregister(Group)

_ROLE_COLOURS = {Role.ADMINISTRATOR: "danger", Role.OPERATOR: "info", Role.VIEWER: "default"}


class UserForm(UserChangeForm):
    def clean(self) -> dict[str, Any]:
        """Refuse a change that leaves the site without an administrator."""
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

    # The next four methods write to the audit log instead of Django's own log of the admin.

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
