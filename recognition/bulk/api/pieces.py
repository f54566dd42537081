"""A large file sent in pieces: the body of each request is the next one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from recognition.bulk.services.archives import MOST_PIECE_BYTES
from recognition.web.errors import ServiceError


class PieceQuery(serializers.Serializer):
    offset = serializers.IntegerField(min_value=0, help_text="`received` so far.")


class PieceAnswerSerializer(serializers.Serializer):
    received = serializers.IntegerField(
        help_text="Bytes that have arrived: the offset of the next piece."
    )


class PieceParser(BaseParser):
    """The body itself is the piece. Its announced length was checked before."""

    media_type = "application/octet-stream"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, bytes]:
        return {"piece": stream.read(MOST_PIECE_BYTES + 1)}


def piece_of(request: Request) -> bytes:
    """The body of a request that `PieceParser` reads. ServiceError 413."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > MOST_PIECE_BYTES:
        most = MOST_PIECE_BYTES // 2**20
        message = f"A piece has {most} MB at most."
        raise ServiceError("bad_piece", message, status=413, max_mb=most)
    # DRF calls no parser for an empty body.
    body = request.data
    return body.get("piece", b"") if isinstance(body, dict) else b""
