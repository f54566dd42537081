"""Reads answers of the API in tests, and checks what must be true for all of them."""

from __future__ import annotations

from typing import Any

from asgiref.sync import async_to_sync


def refusal(answer: Any, status: int, code: str) -> dict[str, Any]:
    """The `error` of a refusal. Checks its status, code and shape."""
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
    """The JSON of a successful answer."""
    assert answer.status_code == status, answer.content[:500]
    assert answer["X-Request-Id"]
    return answer.json() if answer.content else None


def streamed(answer: Any) -> bytes:
    """The body of a successful streamed answer."""
    assert answer.status_code == 200, answer

    async def collected() -> bytes:
        return b"".join([part async for part in answer])

    return async_to_sync(collected)()
