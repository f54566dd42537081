"""Completes the OpenAPI document: general text, and errors defined once."""

from __future__ import annotations

from recognition.web.boundaries import JsonDict

ABOUT = """\
Detect, verify, identify and enrol faces, and read who was where.

**Authentication.** Send a key as `Authorization: Bearer KEY` or `X-Api-Key: KEY` (make one with
POST `api-keys`, or in the admin), or use the session of a signed-in user. A key in the query is
not accepted. Each operation names the scope that it needs.

**Pictures.** Every operation that takes a picture accepts it in three ways: as a file of a
multipart form, as base64 (or a data: URL) in JSON, or as the body itself with
`Content-Type: image/jpeg` (or png, webp, bmp and others). Options go into the query; with a form or
JSON they may also be fields beside the picture.

**Errors** have one shape: `{"error": {"code", "message", "details"}, "request_id"}`. Codes are
stable, messages are for people. Every response carries its `X-Request-Id`; send one to choose it.

**Lists** are paged: follow `next` until it is null.

**Jobs.** An operation that takes long answers 202 with a job. Read GET `jobs/{id}` until its
`state` is `done`, `failed` or `cancelled`.

**Retries.** Send `Idempotency-Key` (any text of at most 200 characters) with an enrolment. If the
same request comes again with the same key, it gets the first answer
(`Idempotency-Replayed: true`) and is not executed again. After 429 and 503, wait as long as
`Retry-After` says.
"""

_TAGS = {
    "recognise": "Recognise faces in a picture. The picture is not stored.",
    "persons": "People, and the enrolment of their images.",
    "images": "The stored faces.",
    "events": "Who was where: one event for each visit.",
    "collections": "Galleries and their rules.",
    "cameras": "Sources of frames.",
    "imports": "Archives of photos or of another collection. A job enrols them and reports.",
    "exports": "Collections as archives.",
    "jobs": "Work that takes longer than a request: its progress and its result.",
    "webhooks": "URLs that receive notices, and the log of deliveries.",
    "models": "Presets, and models of your own: added, evaluated, and then used by collections.",
    "training": "Models trained on a collection's people, or adapted to a camera.",
    "keys": "API keys. Each is shown once and stored as a hash.",
    "about": "The caller.",
}
_TAG_OF = {
    **dict.fromkeys(("detect", "verify", "identify", "embed"), "recognise"),
    "enrol": "persons",
    "me": "about",
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
    """Replace errors by references, because each is the same in all operations, and add headers."""
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
