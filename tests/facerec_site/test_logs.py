"""The log: its two formats, and the id of the request in every record."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from facerec_site import health
from facerec_site.logs import JsonLines, RequestId, logging_config
from facerec_site.request_id import current_request_id, with_request_id

FIELDS = {"time", "level", "logger", "message", "request_id", "thread", "process"}


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged, as JSON."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RequestId())
    handler.setFormatter(JsonLines())
    logging.getLogger().addHandler(handler)
    yield stream
    logging.getLogger().removeHandler(handler)


def _records(lines: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_json_line_has_these_fields_and_nothing_of_extra(lines: io.StringIO) -> None:
    logging.getLogger("x").warning("said %s", "ü\n", extra={"request": "/persons?search=Ada"})
    (record,) = _records(lines)
    assert record.keys() == FIELDS
    assert (record["level"], record["logger"], record["message"]) == ("WARNING", "x", "said ü\n")
    assert record["request_id"] == "-"
    assert record["time"].endswith("+00:00")


def test_exception_stays_in_the_one_line(lines: io.StringIO) -> None:
    try:
        raise ValueError("no")
    except ValueError:
        logging.getLogger("x").exception("it failed")
    (record,) = _records(lines)
    assert record.keys() == FIELDS | {"exception"}
    assert record["exception"].startswith("Traceback")


def test_unknown_format_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="text or json"):
        logging_config("xml", "INFO")


@pytest.mark.django_db
def test_records_of_a_request_have_its_id(
    client: Client, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing() -> str:
        raise RuntimeError("a fault")

    monkeypatch.setitem(health._CHECKS, "database", failing)
    client.raise_request_exception = False
    answer = client.get("/health/ready", headers={"x-request-id": "order-17"})
    assert answer.status_code == 500
    failed = [record for record in _records(lines) if "exception" in record]
    assert failed
    assert {record["request_id"] for record in failed} == {"order-17"}
    assert current_request_id.get() == ""


async def test_websocket_has_the_id_that_was_sent_or_a_new_one() -> None:
    seen: list[tuple[str, str]] = []

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        seen.append((scope["request_id"], current_request_id.get()))

    for sent in (b"mine", b"not sane"):
        scope = {"type": "websocket", "headers": [(b"x-request-id", sent)]}
        await with_request_id(application)(scope, None, None)
    assert seen[0] == ("mine", "mine")
    assert seen[1][0] == seen[1][1]
    assert len(seen[1][0]) == 32
