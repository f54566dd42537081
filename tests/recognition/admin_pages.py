"""Reading the admin's pages in tests."""

from __future__ import annotations

from typing import Any

from django.test import Client
from django.urls import reverse


def address(name: str, *args: Any) -> str:
    return reverse(f"admin:{name}", args=args)


def page(answer: Any) -> str:
    """The text of a page, which must have the status 200."""
    assert answer.status_code == 200, answer
    return answer.content.decode()


def errors_of(answer: Any) -> str:
    """The errors of a form that was refused."""
    assert answer.status_code == 200, answer
    form = answer.context["adminform"].form
    return " ".join(str(error) for errors in form.errors.values() for error in errors)


def told(answer: Any) -> list[str]:
    """The messages for the next page."""
    return [str(message) for message in answer.wsgi_request._messages]


def act(client: Client, model: str, action: str, *rows: Any, **fields: Any) -> Any:
    """Choose an action of a list for some rows."""
    values = {"action": action, "_selected_action": [str(row.pk) for row in rows], **fields}
    return client.post(address(f"{model}_changelist"), values)
