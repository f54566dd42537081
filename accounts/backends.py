"""Sign-in by name and password, and Django's permissions derived from the role."""

from __future__ import annotations

from django.contrib.auth.backends import ModelBackend
from django.db.models import Model

from accounts.access import Role

_OPERATOR_WRITES = {
    ("recognition", model): {"add", "change", "delete"}
    for model in ("person", "faceimage", "event")
}
_HIDDEN_FROM_OTHERS = {"accounts", "axes", "auth"}


class RoleBackend(ModelBackend):
    """viewer: looks at recognition; operator: changes people, images and events as well;
    administrator: everything (a superuser)."""

    def get_user_permissions(self, user_obj: object, obj: Model | None = None) -> set[str]:
        return set()

    def get_group_permissions(self, user_obj: object, obj: Model | None = None) -> set[str]:
        return set()

    def has_perm(self, user_obj: object, perm: str, obj: Model | None = None) -> bool:
        if not getattr(user_obj, "is_active", False):
            return False
        app, _, codename = perm.partition(".")
        action, _, model = codename.partition("_")
        if app in _HIDDEN_FROM_OTHERS:
            return False
        if action == "view":
            return True
        writes = _OPERATOR_WRITES.get((app, model), set())
        return getattr(user_obj, "role", "") == Role.OPERATOR and action in writes

    def has_module_perms(self, user_obj: object, app_label: str) -> bool:
        active = bool(getattr(user_obj, "is_active", False))
        return active and app_label not in _HIDDEN_FROM_OTHERS
