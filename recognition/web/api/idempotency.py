"""`Idempotency-Key`: a repeated request gets the stored answer and is not executed again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from uuid import UUID

from django.core.serializers.json import DjangoJSONEncoder
from django.db import IntegrityError, transaction
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import access_of
from recognition.web.errors import ServiceError
from recognition.web.models import IdempotencyRecord

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
MAX_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request, as plain JSON, and the person that it is about."""

    status: int
    body: Mapping[str, object]
    person_id: UUID


def answer_once(
    request: Request, act: Callable[[], Answer], *, content: Iterable[bytes], atomic: bool = False
) -> Response:
    """The answer of `act`, or the stored one of an equal request by the same caller.

    content: the content of the request as bytes. The same key with different content is a 409.
    atomic: run `act` and store its answer in one transaction; only if `act` is quick.
    An exception is not stored: nothing was done, so the key may be used again.
    """
    key = request.headers.get(HEADER, "")
    if not key:
        answer = act()
        return Response(answer.body, status=answer.status)
    record = _claim(_caller(request), _checked(key), _fingerprint(request, content))
    if record.status is not None:
        return Response(record.body, status=record.status, headers={REPLAYED: "true"})
    try:
        with transaction.atomic() if atomic else nullcontext():
            answer = act()
            _keep(record, answer)
    except BaseException:
        record.delete()
        raise
    return Response(record.body, status=answer.status)


def _checked(key: str) -> str:
    if len(key) > MAX_LENGTH or not key.isascii() or not key.isprintable():
        message = f"{HEADER} must be printable ASCII of at most {MAX_LENGTH} characters."
        raise ServiceError("bad_idempotency_key", message)
    return key


def _caller(request: Request) -> str:
    access = access_of(request)
    return f"key:{access.key.pk}" if access.key else f"user:{access.user.pk}"  # type: ignore[union-attr]


def _fingerprint(request: Request, content: Iterable[bytes]) -> str:
    digest = hashlib.sha256(f"{request.method} {request.path}".encode())
    for part in content:
        # Hash each part by itself, so that ("ab", "c") differs from ("a", "bc").
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


def _claim(caller: str, key: str, fingerprint: str) -> IdempotencyRecord:
    """A new record, or the existing one if it has the same content and an answer."""
    try:
        with transaction.atomic():
            return IdempotencyRecord.objects.create(caller=caller, key=key, fingerprint=fingerprint)
    except IntegrityError:
        record = IdempotencyRecord.objects.filter(caller=caller, key=key).first()
    if record is not None and record.fingerprint != fingerprint:
        message = f"This {HEADER} was used for another request."
        raise ServiceError("idempotency_key_reused", message, status=409)
    if record is None or (record.status is None and not _took_over(record)):
        message = "The first request with this key is still running."
        raise ServiceError("idempotency_in_progress", message, status=409, retry_after=2)
    return record


def _took_over(record: IdempotencyRecord) -> bool:
    """True for the one caller that takes over an abandoned request."""
    if not record.is_abandoned:
        return False
    mine = IdempotencyRecord.objects.filter(pk=record.pk, status=None, claimed_at=record.claimed_at)
    return mine.update(claimed_at=timezone.now()) == 1


def _keep(record: IdempotencyRecord, answer: Answer) -> None:
    record.status = answer.status
    # The same form as when it is read back: dates and ids as text.
    record.body = json.loads(json.dumps(answer.body, cls=DjangoJSONEncoder))
    record.person_id = answer.person_id
    record.save(update_fields=["status", "body", "person_id"])
