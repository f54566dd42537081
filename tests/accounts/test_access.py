"""Roles, scopes and Django's permissions that follow from them."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser

from accounts.access import NOBODY, ROLE_SCOPES, Access, Role, Scope, access_of_user
from accounts.models import User


def _user(role: str) -> User:
    return User.objects.create_user("ann", password="pass-word-1", role=role)


def test_anonymous_user_has_no_scope() -> None:
    assert access_of_user(AnonymousUser()) is NOBODY
    assert not NOBODY.is_signed_in
    assert not any(NOBODY.may(scope) for scope in Scope)


def test_every_role_holds_the_scopes_of_the_role_below() -> None:
    viewer, operator, administrator = (ROLE_SCOPES[role] for role in Role)
    assert viewer < operator < administrator
    assert Scope.ENROL not in viewer
    assert Scope.MANAGE not in operator


@pytest.mark.django_db
def test_inactive_user_has_no_scope() -> None:
    user = _user(Role.ADMINISTRATOR)
    user.is_active = False
    assert access_of_user(user) is NOBODY


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("role", "permission", "allowed"),
    [
        (Role.VIEWER, "people.view_person", True),
        (Role.VIEWER, "people.add_person", False),
        (Role.VIEWER, "accounts.view_auditentry", False),
        (Role.OPERATOR, "people.add_person", True),
        (Role.OPERATOR, "events.delete_event", True),
        (Role.OPERATOR, "people.change_collection", False),
        (Role.OPERATOR, "accounts.view_apikey", False),
        (Role.ADMINISTRATOR, "accounts.add_apikey", True),
        (Role.ADMINISTRATOR, "people.change_collection", True),
    ],
)
def test_admin_permissions_follow_the_role(role: str, permission: str, allowed: bool) -> None:
    assert _user(role).has_perm(permission) is allowed


@pytest.mark.django_db
def test_user_who_loses_the_administrator_role_is_no_superuser() -> None:
    user = _user(Role.ADMINISTRATOR)
    user.role = Role.VIEWER
    user.save()
    user.refresh_from_db()
    assert not user.is_superuser
    assert Scope.MANAGE not in user.scopes


def test_a_limited_access_sees_its_own_collection_only() -> None:
    access = Access(collection_id="a")
    assert access.may_use_collection("a")
    assert not access.may_use_collection("b")
    assert Access().may_use_collection("b")
