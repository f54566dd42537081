"""The number of threads of each library, in one place.

TensorFlow, XNNPACK, OpenCV and BLAS each take every core by default, and then slow each other down.
"""

from __future__ import annotations

import os


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
