"""Accept an upload whatever its file name is.

Django drops a part of a form if its header is not UTF-8 or if nothing is left of its cleaned file
name, and it refuses the whole form if a header is over 1 kB. Here such names are changed before
Django reads them.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

from django.http import multipartparser as _stubbed

multipartparser: Any = _stubbed  # the stubs lack most of its names

_LONGEST_NAME = 100
_LONGEST_HEADER = 900
# Django refuses a form with a longer header.
_MOST_READ = 64 * 1024
_NAMELESS = "picture"
_FILE_NAME = re.compile(r'\bfilename="((?:[^"\\]|\\.)*)"')
_OTHER_FILE_NAME = re.compile(r';\s*filename(\*?)=(?!")[^;\r\n]*', re.IGNORECASE)


def accept_any_file_name() -> None:
    """Replace the parser of form parts, for the whole process: API, pages and admin."""
    multipartparser.Parser = _PartParser


class _PartParser(multipartparser.Parser):
    def __iter__(self) -> Iterator[Any]:
        limit = multipartparser.MAX_TOTAL_HEADER_SIZE
        for part in multipartparser.InterBoundaryIter(self._stream, self._separator):
            head = part.read(_MOST_READ)
            end = head.find(b"\r\n\r\n")
            part.unget(head if end < 0 else _readable(head[:end]) + head[end:])
            yield multipartparser.parse_boundary_stream(part, limit)


def _readable(header: bytes) -> bytes:
    try:
        text = header.decode()
    except UnicodeDecodeError:
        text = header.decode("cp1252", "replace")
    text = _FILE_NAME.sub(lambda match: f'filename="{_fitting(match[1])}"', text)
    if len(text) > _LONGEST_HEADER:
        text = _OTHER_FILE_NAME.sub(f'; filename="{_NAMELESS}"', text)
    return text.encode()


def _fitting(name: str) -> str:
    """The last 100 characters, which keep the file extension; a replacement if Django would drop
    the name."""
    base = re.split(r"[/\\]", html.unescape(name))[-1]
    seen = "".join(character for character in base if character.isprintable()).strip()
    return _NAMELESS if name and seen in ("", ".", "..") else name[-_LONGEST_NAME:]
