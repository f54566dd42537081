"""DRF permissions: a view names the scope each method needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.access import access_of

if TYPE_CHECKING:
    # DRF's views read the default permissions, these here, while they are imported.
    from rest_framework.views import APIView


class IsSignedIn(BasePermission):
    def has_permission(self, request: Request, view: APIView) -> bool:
        return access_of(request).is_signed_in


class HasScope(BasePermission):
    """Asks `view.required_scope` (a scope) or `view.required_scopes` (method or action to scope;
    `"*"` is the rest). A view that names none is closed to everybody."""

    message = "This account or key may not do that."

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not _is_handled(request, view):
            # A known caller learns that there is no such method, which the view itself says: 405.
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
