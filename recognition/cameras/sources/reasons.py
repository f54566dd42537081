"""Why a network camera cannot be played, in words for people.

Made from the class of an exception, never from its text: that holds the address with the password.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from socket import gaierror

import av
import requests

from recognition.cameras.sources.base import SourceFailed

Classes = type[Exception] | tuple[type[Exception], ...]

# By the status of HTTP and RTSP; whether it stays so until somebody changes something.
_STATUSES: dict[int, tuple[str, bool]] = {
    401: ("It asks for another user name or password (401).", True),
    403: ("This user may not see the stream (403).", True),
    404: ("It has no stream of this path (404).", True),
}
# The first one that fits counts.
_CLASSES: tuple[tuple[Classes, str, bool], ...] = (
    (av.HTTPUnauthorizedError, *_STATUSES[401]),
    (av.HTTPForbiddenError, *_STATUSES[403]),
    (av.HTTPNotFoundError, *_STATUSES[404]),
    (av.error.HTTPClientError, "It refuses what we ask for.", False),
    ((av.error.HTTPError, requests.HTTPError), "It answers with an error of its own.", False),
    (gaierror, "There is no address of its host.", False),
    ((ssl.SSLError, requests.exceptions.SSLError), "There is no secure connection to it.", False),
    ((ConnectionRefusedError, av.ConnectionRefusedError), "It refuses the connection.", False),
    ((TimeoutError, av.ExitError, requests.Timeout), "It does not answer.", False),
    ((OSError, requests.RequestException), "It cannot be reached.", False),
    (av.FFmpegError, "What it sends is no video that can be played.", False),
)
# ValueError: a password that has no place in a header.
CAUGHT = (av.FFmpegError, requests.RequestException, OSError, ValueError)


def reason_of(error: Exception) -> SourceFailed:
    """error: one of `CAUGHT`."""
    chain = list(_chain(error))
    if isinstance(error, requests.HTTPError) and error.response.status_code in _STATUSES:
        message, is_lasting = _STATUSES[error.response.status_code]
        return SourceFailed(message, is_lasting=is_lasting)
    for classes, message, is_lasting in _CLASSES:
        if any(isinstance(one, classes) for one in chain):
            return SourceFailed(message, is_lasting=is_lasting)
    return SourceFailed("It cannot be played.")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it was made of: requests wraps what happened in classes of its own."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
