"""What holds for every answer of the API, checked while a test reads it."""

from __future__ import annotations

from typing import Any

from asgiref.sync import async_to_sync


def refusal(answer: Any, status: int, code: str) -> dict[str, Any]:
    """The `error` of a refusal that has this status, this code and the one shape."""
    assert answer.status_code == status, answer.content[:500]
    body: dict[str, Any] = answer.json()
    assert set(body) == {"error", "request_id"}
    error: dict[str, Any] = body["error"]
    assert set(error) == {"code", "message", "details"}
    assert error["code"] == code, error
    assert error["message"]
    assert body["request_id"] == answer["X-Request-Id"]
    if status in (429, 503):
        assert int(answer["Retry-After"]) >= 1
    if status == 401:
        assert answer["WWW-Authenticate"] == "Bearer"
    return error


def good(answer: Any, status: int = 200) -> Any:
    """The JSON of a good answer."""
    assert answer.status_code == status, answer.content[:500]
    assert answer["X-Request-Id"]
    return answer.json() if answer.content else None


def streamed(answer: Any) -> bytes:
    """The body of a good answer that is made while it is sent."""
    assert answer.status_code == 200, answer

    async def collected() -> bytes:
        return b"".join([part async for part in answer])

    return async_to_sync(collected)()
