"""The exception that services raise if they refuse a request."""

from __future__ import annotations


class ServiceError(Exception):
    """`code` is stable and for programs, `message` is for people, `status` is the HTTP status."""

    def __init__(self, code: str, message: str, *, status: int = 400, **details: object) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.details = details


def not_found(what: str) -> ServiceError:
    return ServiceError("not_found", f"There is no such {what}.", status=404)
