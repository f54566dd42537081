"""The number of threads of each library, in one place.

TensorFlow, XNNPACK, OpenCV and BLAS each take every core by default, and then slow each other down.
"""

from __future__ import annotations

import os
import threading
from functools import cache
from typing import Any


def cpu_threads(wanted: int = 0) -> int:
    """`wanted`, or every core that this process may use."""
    return wanted or len(os.sched_getaffinity(0))


def set_threads(count: int) -> None:
    """Before networks are built: OpenCV on one thread, since its calls are short and come from
    several threads of ours at once."""
    import cv2

    cv2.setNumThreads(1)
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(count))
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
    # TensorFlow and LiteRT otherwise write several useless lines at every start.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


class _OneBlasThread:
    """The number of threads is one for the whole process, so the first caller lowers it and the
    last one restores it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callers = 0
        self._limit: Any = None

    def __enter__(self) -> None:
        with self._lock:
            self._callers += 1
            if self._callers == 1:
                self._limit = _libraries().limit(limits=1, user_api="blas")

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._callers -= 1
            if not self._callers:
                self._limit.restore_original_limits()


# Around products that several threads of ours compute at once.
one_blas_thread = _OneBlasThread()


@cache
def _libraries() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
