"""Calling a service from an admin page: who acts, and a refusal as a message on the page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib import messages
from django.http import HttpRequest

from recognition.errors import ServiceError


@contextmanager
def refusals_shown(request: HttpRequest) -> Iterator[None]:
    """A ServiceError within becomes an error message; the page goes on."""
    try:
        yield
    except ServiceError as error:
        messages.error(request, error.message)
