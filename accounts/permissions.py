"""DRF permissions. Each view names the scope that each of its methods needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.access import access_of

if TYPE_CHECKING:
    # Importing DRF's views imports the default permissions, which are in this file.
    from rest_framework.views import APIView


class IsSignedIn(BasePermission):
    def has_permission(self, request: Request, view: APIView) -> bool:
        return access_of(request).is_signed_in


class HasScope(BasePermission):
    """The caller needs the scope in `view.required_scope`, or in `view.required_scopes`, which maps
    a method or action to a scope (`"*"`: all others). A view with neither refuses all callers."""

    message = "This account or key may not do that."

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not _is_handled(request, view):
            # The view does not have this method and will answer 405, but only to known callers.
            return access_of(request).is_signed_in
        scope = self._scope(request, view)
        return scope is not None and access_of(request).may(scope)

    def _scope(self, request: Request, view: APIView) -> str | None:
        table = getattr(view, "required_scopes", {})
        action = getattr(view, "action", None)
        for name in (action, request.method, "*"):
            if name in table:
                return table[name]
        return getattr(view, "required_scope", None)


def _is_handled(request: Request, view: APIView) -> bool:
    name = str(request.method).lower()
    return name in view.http_method_names and hasattr(view, name)
