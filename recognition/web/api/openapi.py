"""Completes the OpenAPI document: general text, and errors defined once."""

from __future__ import annotations

from recognition.web.boundaries import JsonDict

ABOUT = """\
Detect, verify, identify and enrol faces; read who was where.

**Who calls.** A key, as `Authorization: Bearer KEY` or `X-Api-Key: KEY` (make one with
POST `api-keys`, or in the admin), or the session of somebody who signed in. A key is never taken
from the query. Each operation names the scope that it asks for.

**Pictures** come in three ways, the same for every operation that takes one: as a file of a
multipart form, as base64 (or a data: URL) within JSON, or as the body itself with
`Content-Type: image/jpeg` (or png, webp, bmp). Options stand in the query, whatever the way; a
form or JSON may hold them as fields beside the picture instead.

**Errors** have one shape: `{"error": {"code", "message", "details"}, "request_id"}`. Codes are
stable, messages are for people. Every response carries its `X-Request-Id`; send one to choose it.

**Lists** are paged: follow `next` until it is null.

**Jobs.** What takes longer than an answer may is answered 202 with a job: read GET `jobs/{id}`
until its `state` is `done`, `failed` or `cancelled`.

**Retries.** `Idempotency-Key` (any text of yours, at most 200 characters) on enrolment: the same
request with the same key is answered again (`Idempotency-Replayed: true`) and not done again.
After 429 and 503 wait as long as `Retry-After` says.
"""

_TAGS = {
    "recognise": "A picture in, an answer out, nothing kept.",
    "persons": "People, and the enrolment of their images.",
    "images": "The stored faces.",
    "events": "Who was where: one event for each visit.",
    "collections": "Galleries and their rules.",
    "cameras": "Where frames come from.",
    "imports": "Archives of photos, or of another collection, enrolled by a job, with a report.",
    "exports": "Collections as archives.",
    "jobs": "Work that outlasts a request: how far it is, and what came of it.",
    "webhooks": "URLs that are sent notices, and the log of what was sent.",
    "keys": "API keys; shown once, stored hashed.",
    "about": "The caller, and the models there are.",
}
_TAG_OF = {
    **dict.fromkeys(("detect", "verify", "identify", "embed"), "recognise"),
    "enrol": "persons",
    **dict.fromkeys(("me", "models"), "about"),
}
_TEXT = {"schema": {"type": "string"}}
_SECONDS = {"schema": {"type": "integer", "minimum": 1}, "description": "Seconds to wait."}


def tag_of(operation_id: str) -> str:
    """`persons_images_list` to `persons`."""
    noun = operation_id.partition("_")[0]
    return _TAG_OF.get(noun, noun)


def finish(result: JsonDict, generator: object, request: object, public: bool) -> JsonDict:  # noqa: FBT001
    """Hook of drf-spectacular."""
    result["info"]["description"] = ABOUT
    result["tags"] = [{"name": name, "description": about} for name, about in _TAGS.items()]
    shared = result["components"].setdefault("responses", {})
    for methods in result["paths"].values():
        for operation in methods.values():
            _label(operation["responses"], shared)
    return result


def _label(responses: JsonDict, shared: JsonDict) -> None:
    """Replace errors by references, as each is the same everywhere, and name headers."""
    for status, response in responses.items():
        headers: JsonDict = {"X-Request-Id": _TEXT}
        if status in ("429", "503"):
            headers["Retry-After"] = _SECONDS
        if status == "401":
            headers["WWW-Authenticate"] = _TEXT
        response["headers"] = headers | response.get("headers", {})
        if status >= "400":
            shared.setdefault(f"Error{status}", response)
            responses[status] = {"$ref": f"#/components/responses/Error{status}"}
