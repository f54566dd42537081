from __future__ import annotations

import pytest
from django.test import Client

from accounts.access import Role
from tests.callers import Caller, PageClient, with_key
from tests.factories import make_user


def _client(role: str) -> Client:
    client = PageClient()
    client.force_login(make_user(role))
    return client


@pytest.fixture
def viewer(db: None) -> Client:
    return _client(Role.VIEWER)


@pytest.fixture
def operator(db: None) -> Client:
    return _client(Role.OPERATOR)


@pytest.fixture
def administrator(db: None) -> Client:
    return _client(Role.ADMINISTRATOR)


@pytest.fixture
def api(db: None) -> Caller:
    """A program whose key has every scope."""
    return with_key()
