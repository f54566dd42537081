"""`python -m tests.forking SOCKET`: starts the programs of `tests.programs`.

Each one is a fork of this process, which has imported the libraries that they use: hundreds of
programs start in a run of all tests, and imports are half of the work of a start. Django's
settings must not be read here, because each program has its own.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import socket
import struct
import sys
from importlib import import_module
from typing import Any

# How a pid or an exit code is sent.
NUMBER = struct.Struct("i")
# What programs of the site import, if that needs no settings and starts no thread.
_LIBRARIES = (
    "PIL.Image",
    "av",
    "channels.consumer",
    "cryptography.fernet",
    "cryptography.x509",
    "cv2",
    "django.contrib.admin.utils",
    "django.contrib.staticfiles.finders",
    "django.core.management",
    "django.db.migrations.executor",
    "django.forms",
    "django.test",
    "django.views.generic",
    "ml_engine.engine",
    "ml_engine.matching",
    "requests",
    "rest_framework.compat",
    "twisted.internet.base",
    "yaml",
    "zmq",
)


def main() -> None:
    """Returns in each new program. In this process, when the tests have ended."""
    line = socket.socket(fileno=int(sys.argv[1]))
    for name in _LIBRARIES:
        import_module(name)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # pytest ends the programs
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # then nobody has to wait for the watchers
    while True:
        message, files, _, _ = socket.recv_fds(line, 2**20, 3)
        if not message:
            os._exit(0)
        if os.fork() == 0:
            line.close()
            return _begin(json.loads(message), *files)
        for file in files:
            os.close(file)


def _begin(request: dict[str, Any], output: int, errors: int, watch: int) -> None:
    """Fork once more. The first process tells the second one's pid and exit code to `watch`."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if pid := os.fork():
        os.close(output)
        os.close(errors)
        os.write(watch, NUMBER.pack(pid))
        os.write(watch, NUMBER.pack(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
        os._exit(0)
    os.close(watch)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for file, number in ((output, 1), (errors, 2)):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = request["arguments"]


if __name__ == "__main__":
    main()
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
