"""Uploads whatever their file is called.

Django leaves out a part of a form whose header is not UTF-8, or whose file name comes to nothing,
and refuses the whole form for a header over 1 kB. Here a name that does not fit is changed first.
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
# Beyond it Django refuses the form.
_MOST_READ = 64 * 1024
_NAMELESS = "picture"
_FILE_NAME = re.compile(r'\bfilename="((?:[^"\\]|\\.)*)"')
_OTHER_FILE_NAME = re.compile(r';\s*filename(\*?)=(?!")[^;\r\n]*', re.IGNORECASE)


def accept_any_file_name() -> None:
    """In every form that this process reads: of the API, of pages and of the admin."""
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
    """Its end, for there is the kind of the file; another one for a name that Django takes for
    none."""
    base = re.split(r"[/\\]", html.unescape(name))[-1]
    seen = "".join(character for character in base if character.isprintable()).strip()
    return _NAMELESS if name and seen in ("", ".", "..") else name[-_LONGEST_NAME:]
