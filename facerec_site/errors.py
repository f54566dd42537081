"""One shape for every error: `{"error": {"code", "message", "details"}, "request_id"}`.

`exception_handler` serves DRF's views. `bad_request`, `forbidden`, `not_found` and `server_error`
are handlers of Django: below /api/ and /health/ they answer in the same shape, and for pages they
leave the answer to Django. If the database is away, or a disk is full, read-only or gone, the
answer is the same for an error in a view, in a middleware, or while a page is rendered.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from django.core.exceptions import (
    BadRequest,
    DisallowedHost,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFilesSent,
)
from django.core.exceptions import ValidationError as ModelValidationError
from django.db import InterfaceError, OperationalError, connection
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import render
from django.urls import Resolver404, resolve
from django.views import defaults
from rest_framework import exceptions
from rest_framework.views import set_rollback

from ml_engine.types import (
    EngineBusy,
    EngineClosed,
    EngineError,
    ImageError,
    ModelFileError,
    ModelMismatch,
    ModelMissing,
    ModelUnusable,
    WeightsUnavailable,
)
from recognition.web.boundaries import AsgiDict
from recognition.web.database_room import DatabaseRoom
from recognition.web.errors import ServiceError
from recognition.web.metrics import count
from recognition.web.process import process
from recognition.web.storage import problem_of, storage_refusal

logger = logging.getLogger(__name__)

INTERNAL_MESSAGE = "Something went wrong on the server. Quote the request id when you report it."
_UNKNOWN_HOST = (
    "The site was called by a name that it does not know. Its administrator adds the name to "
    "ALLOWED_HOSTS; a proxy in front must pass on the header Host."
)
_WRONG_ORIGIN = ("Origin checking failed", "Referer checking failed")
_HOW_TO_TRUST = (
    "Behind a proxy that ends HTTPS, the site's administrator sets BEHIND_PROXY=1 and lets the "
    "proxy pass on Host and X-Forwarded-Proto, or adds the address to TRUSTED_ORIGINS."
)
_SUB_PATH = (
    "Facerec is served at the root of a host name, and not below a path: give it a name of its own."
)
_UNREADABLE = (SuspiciousOperation, BadRequest, MultiPartParserError, UnreadablePostError)
_DATABASE_AWAY = (OperationalError, InterfaceError)
_PROGRAMS = ("/api/", "/health/", "/metrics")
# Status of a refused picture, by error code; 400 for all other codes.
_IMAGE_STATUS = {
    "image_too_large": 413,
    "too_many_pixels": 413,
    "unsupported_image": 415,
}
_HTTP_CODES = {
    400: "bad_request",
    401: "not_authenticated",
    403: "permission_denied",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    408: "request_timeout",
    409: "conflict",
    411: "length_required",
    413: "request_too_large",
    415: "unsupported_media_type",
    429: "throttled",
}


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """The answer to one exception. `retry_after_s` becomes the header Retry-After."""

    status: int
    code: str
    message: str
    details: dict[str, Any] = field(default_factory=dict)
    retry_after_s: float | None = None


def request_id_of(request: object) -> str:
    base = getattr(request, "_request", request)
    return getattr(base, "request_id", "")


def error_body(answer: ErrorAnswer, request: object) -> dict[str, Any]:
    error = {"code": answer.code, "message": answer.message, "details": answer.details}
    return {"error": error, "request_id": request_id_of(request)}


def error_response(answer: ErrorAnswer, request: object) -> JsonResponse:
    """A JSON response, whatever the Accept header says: an error must not fail on negotiation."""
    _count(answer)
    response = JsonResponse(error_body(answer, request), status=answer.status)
    if answer.retry_after_s is not None:
        response["Retry-After"] = _seconds(answer)
    return response


def _count(answer: ErrorAnswer) -> None:
    count("facerec_refusals_total", answer.code, str(answer.status))


def _seconds(answer: ErrorAnswer) -> str:
    return str(max(1, round(answer.retry_after_s or 0)))


def exception_handler(exc: Exception, context: dict[str, Any]) -> HttpResponse:
    """DRF's hook (EXCEPTION_HANDLER): turn an exception of a view into an error of our shape."""
    request = context.get("request")
    answer = answer_for(exc)
    is_outage = _is_outage(exc)
    if answer.status >= 500 and not is_outage and not isinstance(exc, ServiceError | EngineError):
        logger.error("a request failed", exc_info=exc)
    set_rollback()
    response = error_response(answer, request)
    if is_outage:
        _log_outage(exc, response)
    # DRF sets it on exceptions that it answers with 401.
    if challenge := getattr(exc, "auth_header", None):
        response["WWW-Authenticate"] = challenge
    return response


def answer_for(exc: Exception) -> ErrorAnswer:
    """The answer to one exception. The answer to an unknown one tells no internals."""
    if isinstance(exc, ServiceError):
        return _of_service(exc)
    if isinstance(exc, EngineError):
        return _of_engine(exc)
    if isinstance(exc, exceptions.ValidationError):
        return _of_fields(exc.detail)
    if isinstance(exc, ModelValidationError):
        return _of_fields(getattr(exc, "message_dict", {"non_field_errors": exc.messages}))
    if isinstance(exc, exceptions.APIException):
        return _of_drf(exc)
    return _of_django(exc)


def _of_service(exc: ServiceError) -> ErrorAnswer:
    details = dict(exc.details)
    retry_after = details.pop("retry_after", None)
    return ErrorAnswer(exc.status, exc.code, exc.message, details, retry_after)  # type: ignore[arg-type]


def _of_engine(exc: EngineError) -> ErrorAnswer:
    if isinstance(exc, ImageError):
        return ErrorAnswer(_IMAGE_STATUS.get(exc.code, 400), exc.code, exc.message)
    if isinstance(exc, ModelFileError):
        # Log the path of the file here, because the answer must not tell it to the caller.
        logger.error("%s", exc)
    if isinstance(exc, EngineBusy):
        return ErrorAnswer(503, exc.code, exc.message, retry_after_s=exc.retry_after_s)
    if isinstance(exc, EngineClosed | WeightsUnavailable):
        return ErrorAnswer(503, exc.code, exc.message, retry_after_s=5)
    if isinstance(exc, ModelMissing):
        details = {"wanted": exc.version, "installed": exc.available}
        return ErrorAnswer(409, exc.code, exc.message, details)
    if isinstance(exc, ModelMismatch | ModelUnusable):
        return ErrorAnswer(409, exc.code, exc.message)
    logger.error("engine error %s", exc.code, exc_info=exc)
    return ErrorAnswer(500, exc.code, INTERNAL_MESSAGE)


def _of_fields(detail: Any) -> ErrorAnswer:
    """400, with each wrong field and its errors in `details.fields`."""
    fields = detail if isinstance(detail, dict) else {"non_field_errors": detail}
    names = ", ".join(str(name) for name in fields if name != "non_field_errors")
    message = f"Check: {names}." if names else "The request is not valid."
    return ErrorAnswer(400, "validation_error", message, {"fields": _plain(fields)})


def _plain(value: Any) -> Any:
    """DRF's error details without their str subclass, so that they are plain JSON."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value)


def _of_drf(exc: exceptions.APIException) -> ErrorAnswer:
    code = _HTTP_CODES.get(exc.status_code, "error")
    detail_code = getattr(exc.detail, "code", "")
    if isinstance(exc, exceptions.ParseError | exceptions.AuthenticationFailed) and detail_code:
        code = detail_code
    wait = getattr(exc, "wait", None)
    message = str(exc.detail)
    if message.removeprefix("CSRF Failed: ").startswith(_WRONG_ORIGIN):
        message += f" {_HOW_TO_TRUST}"
    return ErrorAnswer(exc.status_code, code, message, retry_after_s=wait)


def _of_django(exc: Exception) -> ErrorAnswer:
    if isinstance(exc, Http404):
        return ErrorAnswer(404, "not_found", "There is nothing at this address.")
    if isinstance(exc, PermissionDenied):
        return ErrorAnswer(403, "permission_denied", "This account or key may not do that.")
    if isinstance(exc, RequestDataTooBig):
        return ErrorAnswer(413, "request_too_large", "The request is too large.")
    if isinstance(exc, TooManyFilesSent):
        return ErrorAnswer(413, "too_many_images", "The request holds too many files.")
    if isinstance(exc, DisallowedHost):
        return ErrorAnswer(400, "unknown_host", _UNKNOWN_HOST)
    if isinstance(exc, _UNREADABLE):
        return ErrorAnswer(400, "bad_request", "The request cannot be read.")
    if problem := problem_of(exc):
        return _of_service(storage_refusal(problem))
    if isinstance(exc, _DATABASE_AWAY):
        message = "The database does not answer. Try again in a moment."
        return ErrorAnswer(503, "database_unavailable", message, retry_after_s=5)
    return ErrorAnswer(500, "internal_error", INTERNAL_MESSAGE)


def _is_for_programs(path: str) -> bool:
    """True for addresses that answer with JSON; all others show pages."""
    return path.startswith(_PROGRAMS)


def _is_outage(error: BaseException | None) -> bool:
    """True if the database does not answer, or a disk is full, read-only or gone."""
    return isinstance(error, _DATABASE_AWAY) or problem_of(error) is not None


def _log_outage(error: BaseException, response: HttpResponse) -> None:
    """Log one line without a traceback: during an outage every request fails in the same way."""
    process().part(DatabaseRoom).note(error)
    if not connection.in_atomic_block:
        # SQLite opens a file read-only if it can do no better, and the connection stays so.
        connection.close()
    trace = error if logger.isEnabledFor(logging.DEBUG) else None
    logger.warning("a part of the server is away: %s", error, exc_info=trace)
    # Otherwise Django would log a response with this status as an error.
    response._has_been_logged = True  # type: ignore[attr-defined]


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if isinstance(exception, DisallowedHost):
        return refusal(answer_for(exception), request.path, request)
    if not _is_for_programs(request.path):
        return defaults.bad_request(request, exception)
    return error_response(answer_for(exception), request)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not _is_for_programs(request.path):
        return defaults.permission_denied(request, exception)
    return error_response(answer_for(exception), request)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The answer to a form without a valid CSRF token. For the API, DRF raises; see `_of_drf`."""
    told = f"{reason} {_HOW_TO_TRUST}" if reason.startswith(_WRONG_ORIGIN) else ""
    return render(request, "403_csrf.html", {"wrong_origin": told}, status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _is_below_a_path(request.path):
        return refusal(ErrorAnswer(404, "sub_path", _SUB_PATH), request.path, request)
    if not _is_for_programs(request.path):
        return defaults.page_not_found(request, exception)
    message = "There is nothing at this address."
    if request.path.endswith("/"):
        message += " Addresses of the API have no slash at their end."
    return error_response(ErrorAnswer(404, "not_found", message), request)


def _is_below_a_path(path: str) -> bool:
    """True if the path without its first part is one of our addresses: then a proxy serves the
    site below a path."""
    _, _, rest = path.removeprefix("/").partition("/")
    try:
        return bool(rest) and resolve(f"/{rest}").url_name is not None
    except Resolver404:
        return False


def server_error(request: HttpRequest) -> HttpResponse:
    """Django calls this while it handles the exception, and logs the exception itself (logger
    django.request)."""
    error = sys.exception()
    if isinstance(error, Exception) and _is_outage(error):
        response = refusal(answer_for(error), request.path, request)
        _log_outage(error, response)
        return response
    if not _is_for_programs(request.path):
        return defaults.server_error(request)
    return error_response(ErrorAnswer(500, "internal_error", INTERNAL_MESSAGE), request)


def plain_answer(status: int, message: str) -> ErrorAnswer:
    """An answer whose code follows from its status."""
    return ErrorAnswer(status, _HTTP_CODES.get(status, "internal_error"), message)


def refusal(answer: ErrorAnswer, path: str, request: object) -> HttpResponse:
    """A response made outside of any view: JSON for programs, otherwise a page."""
    if _is_for_programs(path):
        return error_response(answer, request)
    _count(answer)
    page = "503.html" if answer.status == 503 else "refused.html"
    context = {"message": answer.message, "status": answer.status}
    response = render(None, page, context, status=answer.status)
    if answer.retry_after_s is not None:
        response["Retry-After"] = _seconds(answer)
    return response


def refusal_messages(answer: ErrorAnswer, path: str, *, request_id: str) -> list[AsgiDict]:
    """The response of `refusal` as two ASGI messages, for a request that Django never sees."""
    response = refusal(answer, path, SimpleNamespace(request_id=request_id))
    response["X-Request-Id"] = request_id
    response["Content-Length"] = str(len(response.content))
    headers = [(name.encode(), value.encode()) for name, value in response.items()]
    return [
        {"type": "http.response.start", "status": answer.status, "headers": headers},
        {"type": "http.response.body", "body": response.content},
    ]
