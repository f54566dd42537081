"""The table of rights has a row for each of our models, and no other rows."""

from __future__ import annotations

import pytest
from django.apps import apps

from accounts.access import Role
from accounts.backends import RIGHTS, RoleBackend
from accounts.models import User

_OURS = ("recognition", "accounts", "facerec_site")
_MAY = RoleBackend()


def _user(role: str, *, is_active: bool = True) -> User:
    return User(username=role, role=role, is_active=is_active)


def test_every_model_has_a_row() -> None:
    ours = {
        model._meta.label_lower
        for model in apps.get_models()
        if model.__module__.partition(".")[0] in _OURS
    }
    assert set(RIGHTS) == ours


@pytest.mark.parametrize("model", ["axes.accesslog", "sessions.session", "people.unknown"])
@pytest.mark.parametrize("action", ["view", "add", "change", "delete"])
def test_model_without_a_row_is_closed_to_operators(model: str, action: str) -> None:
    app, _, name = model.partition(".")
    assert not _MAY.has_perm(_user(Role.OPERATOR), f"{app}.{action}_{name}")


def test_viewer_reads_people_and_writes_none() -> None:
    viewer = _user(Role.VIEWER)
    assert _MAY.has_perm(viewer, "people.view_person")
    assert not _MAY.has_perm(viewer, "people.change_person")


def test_operator_writes_people_and_no_cameras() -> None:
    operator = _user(Role.OPERATOR)
    assert _MAY.has_perm(operator, "people.delete_person")
    assert _MAY.has_perm(operator, "events.change_event")
    assert not _MAY.has_perm(operator, "cameras.change_camera")


def test_user_who_is_switched_off_may_nothing() -> None:
    gone = _user(Role.ADMINISTRATOR, is_active=False)
    assert not _MAY.has_perm(gone, "people.view_person")
    assert not _MAY.has_module_perms(gone, "people")


def test_apps_are_shown_to_those_who_may_view_a_model() -> None:
    assert _MAY.has_module_perms(_user(Role.VIEWER), "people")
    assert not _MAY.has_module_perms(_user(Role.OPERATOR), "accounts")
