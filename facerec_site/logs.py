"""The log: one line for each record, as text or as JSON, with the id of its request."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from facerec_site.request_id import current_request_id

FORMATS = ("text", "json")
# What they log at INFO is of no use, or holds more than it should.
_WARNINGS_ONLY = ("daphne", "django.channels.server", "axes", "faiss", "tensorflow")


class RequestId(logging.Filter):
    """Gives each record the id of the request or websocket that it was made for; `-` if none."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current_request_id.get() or "-"
        return True


class JsonLines(logging.Formatter):
    """These fields and no others: what Django adds to records (`extra`) includes whole requests,
    whose addresses may hold the name that somebody searched for."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": record.request_id,  # type: ignore[attr-defined]
            "thread": record.threadName,
            "process": record.process,
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def logging_config(log_format: str, level: str) -> dict[str, Any]:
    """Django's setting LOGGING. ImproperlyConfigured for an unknown format."""
    if log_format not in FORMATS:
        raise ImproperlyConfigured(f"LOG_FORMAT is {' or '.join(FORMATS)}, not {log_format!r}.")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request_id": {"()": RequestId}},
        "formatters": {
            "text": {
                "format": "{asctime} {levelname} {name} {request_id} {message}",
                "style": "{",
            },
            "json": {"()": JsonLines},
        },
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": log_format,
                "filters": ["request_id"],
            }
        },
        "root": {"handlers": ["console"], "level": level},
        "loggers": {name: {"level": "WARNING"} for name in _WARNINGS_ONLY}
        # Its warnings show whole addresses of cameras, which may hold passwords.
        | {"urllib3": {"level": "ERROR"}},
    }
