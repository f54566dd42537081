"""Callers with each role and each scope, and requests whose changes are rolled back."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from accounts.access import ROLE_SCOPES, Role, Scope
from accounts.models import ApiKey
from tests.callers import Caller, signed_in, with_secret


def ask(caller: Caller, method: str, address: str) -> Any:
    """The answer to a JSON request. All changes are rolled back."""
    caller.ends_with_commit = False
    with transaction.atomic():
        answer = caller.generic(method, address, "{}" if method != "GET" else "",
                                content_type="application/json")  # fmt: skip
        transaction.set_rollback(True)
    return answer


def ask_form(caller: Caller, method: str, address: str) -> Any:
    """The answer to a page or an empty form. All changes are rolled back."""
    caller.ends_with_commit = False
    with transaction.atomic():
        answer = (
            caller.get(address) if method == "GET" else caller.post(address, {}, format="multipart")
        )
        transaction.set_rollback(True)
    return answer


SCOPES_OF: dict[str, frozenset[str]] = {
    **{role.value: ROLE_SCOPES[role] for role in Role},
    **{f"key:{scope.value}": frozenset({scope.value}) for scope in Scope},
    "key:": frozenset(),
}


def caller_of(name: str) -> Caller:
    kind, _, scope = name.partition(":")
    if kind == "key":
        key = ApiKey.issue(name="program", scopes=[scope] if scope else [])
        return with_secret(key[1])
    return signed_in(kind)


def leads_to_sign_in(answer: Any) -> bool:
    """True for a redirect to sign-in. The start page redirects to the live page, which does so."""
    to = answer.get("Location", "")
    return answer.status_code == 302 and to.startswith(
        ("/accounts/login/", "/admin/login/", "/live/")
    )
