"""Messages of protobuf from a table, for formats that are read without their makers' packages.

Fields that are not in the table are kept as they are when a message is written again.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

# By message, field: (number, type); a type with a star is repeated.
Messages = dict[str, dict[str, tuple[int, str]]]
_SCALARS = {"float": 2, "int64": 3, "int32": 5, "string": 9, "bytes": 12}
_MESSAGE, _OPTIONAL, _REPEATED = 11, 1, 3


def message_classes(
    package: str, messages: Messages, *, unpacked: Collection[str] = ()
) -> dict[str, Any]:
    """The class of each message. unpacked: messages whose lists of numbers are not packed."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    # proto2, as ONNX itself: what is unset stays unset.
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package)
    for message, fields in messages.items():
        described = file.message_type.add(name=message)
        for field, (number, kind) in fields.items():
            plain = kind.removesuffix("*")
            made = described.field.add(
                name=field,
                number=number,
                label=_REPEATED if kind != plain else _OPTIONAL,
                type=_SCALARS.get(plain, _MESSAGE),
            )
            if plain not in _SCALARS:
                made.type_name = f".{package}.{plain}"
            elif kind != plain and plain not in ("string", "bytes"):
                made.options.packed = message not in unpacked
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))
        for name in messages
    }
