"""Reading the JSON messages of clients. All refusals are ServiceError with `invalid_message`."""

from __future__ import annotations

import json

from recognition.web.api.accepted import unknown_names
from recognition.web.boundaries import JsonDict
from recognition.web.errors import ServiceError

MAX_TEXT = 16_384


def read_command(text: str, kind: str, fields: tuple[str, ...], otherwise: str) -> JsonDict:
    """The message of this type. otherwise: said if it is of another one."""
    if len(text) > MAX_TEXT:
        raise invalid("The message is too long.")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise invalid("Send JSON.") from error
    if not isinstance(message, dict) or message.get("type") != kind:
        raise invalid(otherwise)
    refuse_others("field", message, ("type", *fields))
    return message


def refuse_others(kind: str, sent: JsonDict, known: tuple[str, ...]) -> None:
    if unknown := set(sent) - set(known):
        raise invalid(unknown_names(kind, unknown, known).message)


def read_number(values: JsonDict, name: str, least: float, most: float) -> float | None:
    """None if it is absent."""
    value = values.get(name)
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not least <= value <= most:
        raise invalid(f"{name} must be a number from {least:g} to {most:g}.")
    return value


def invalid(message: str) -> ServiceError:
    return ServiceError("invalid_message", message)
