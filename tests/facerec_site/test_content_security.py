"""Our own pages come with a policy; tests/e2e sees that the browser finds nothing against it."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from facerec_site.content_security import HEADER
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/live/", "/try/", "/accounts/login/", "/no-such-page/"])
@pytest.mark.parametrize("is_signed_in", [True, False])
def test_own_pages_have_a_strict_content_security_policy(
    client: Client, path: str, is_signed_in: bool
) -> None:
    if is_signed_in:
        client.force_login(make_user())
    policy = client.get(path).headers[HEADER]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_error_page_has_a_content_security_policy(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.raise_request_exception = False
    monkeypatch.setattr("recognition.live.pages.views.render", None)
    client.force_login(make_user())
    answer = client.get("/live/")
    assert answer.status_code == 500
    assert HEADER in answer.headers


@pytest.mark.parametrize("name", ["admin:index", "docs"])
def test_pages_with_third_party_scripts_have_no_policy(client: Client, name: str) -> None:
    client.force_login(make_user())
    answer = client.get(reverse(name))
    assert answer.status_code == 200
    assert HEADER not in answer.headers
