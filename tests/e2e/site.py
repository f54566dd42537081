"""The whole site as users run it: a process with its own database and folder."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import requests

from ml_engine.zoo.own import OWN_DIR
from tests.e2e.hand import Hand

ROOT = Path(__file__).resolve().parent.parent.parent
PASSWORD = "a-long-one-for-tests-7"
ADMINISTRATOR = "admin"
_READY_WITHIN_S = 180
_STOPS_WITHIN_S = 40
# What a machine may have set for a site of its own.
_NOT_OURS = (
    "DATABASE_URL",
    "REDIS_URL",
    "ALLOWED_HOSTS",
    "HTTPS",
    "SECRET_KEY",
    "FIELD_KEYS",
    "DEBUG",
)


class Site:
    """`start`, `stop` and `kill` may be called again and again; port and data stay the same."""

    def __init__(self, folder: Path, weights: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.url = f"http://localhost:{self.port}"
        self._log = folder / "serve.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {
            **{name: value for name, value in os.environ.items() if name not in _NOT_OURS},
            "DJANGO_SETTINGS_MODULE": "facerec_site.settings",
            "ENV_FILE": os.devnull,
            "FACEREC_VAR": str(folder),
            "WEIGHTS_DIR": str(_linked(weights, folder / "weights")),
            "ADMIN_PASSWORD": PASSWORD,
            "API_RATE": "100000/min",
            "CAMERA_ALLOW_LOCAL": "True",
        }

    def prepare(self) -> None:
        command = [sys.executable, "manage.py", "bootstrap"]
        subprocess.run(command, cwd=ROOT, env=self._environment, check=True)

    @cached_property
    def hand(self) -> Hand:
        """It makes rows of `tests.e2e.rows`."""
        return Hand(self._environment)

    def close(self) -> None:
        """Stop it for good."""
        self.stop()
        self.hand.close()

    def start(self) -> None:
        command = [sys.executable, "manage.py", "serve", "--port", str(self.port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=self._environment, stdout=log, stderr=log
            )

    def await_ready(self) -> None:
        deadline = time.monotonic() + _READY_WITHIN_S
        while time.monotonic() < deadline:
            with suppress(requests.RequestException):
                if requests.get(f"{self.url}/health/ready", timeout=10).status_code == 200:
                    return
            if self._process is None or self._process.poll() is not None:
                break
            time.sleep(0.3)
        raise AssertionError(f"the site did not become ready:\n{self.log_tail()}")

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the process like a crash."""
        self._end(signal.SIGKILL)

    def log_tail(self) -> str:
        return self._log.read_text(errors="replace")[-4000:] if self._log.exists() else ""

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(how)
        try:
            process.wait(_STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


class Api:
    """REST as the signed-in administrator, to prepare a test and to check its results."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._session = requests.Session()
        login = f"{site.url}/accounts/login/"
        token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', self._session.get(login).text)
        assert token is not None
        form = {
            "csrfmiddlewaretoken": token[1],
            "username": ADMINISTRATOR,
            "password": PASSWORD,
            "next": "",
        }
        assert self._session.post(login, data=form).url.endswith("/live/")

    def get(self, path: str) -> Any:
        return self._answer(self._session.get(self._url(path), timeout=60))

    def rows(self, path: str) -> list[dict[str, Any]]:
        return self.get(path)["results"]

    def post(self, path: str, **options: Any) -> Any:
        return self._answer(self._write("POST", path, **options))

    def patch(self, path: str, **options: Any) -> Any:
        return self._answer(self._write("PATCH", path, **options))

    def delete(self, path: str) -> None:
        self._write("DELETE", path).raise_for_status()

    def file(self, path: str) -> bytes:
        """The content at an address from an answer."""
        response = self._session.get(self._site.url + path, timeout=60)
        response.raise_for_status()
        return response.content

    def enrol(self, name: str, *photos: bytes) -> dict[str, Any]:
        person = self.post("persons", json={"name": name})
        files = [("images", (f"{n}.jpg", photo)) for n, photo in enumerate(photos)]
        answer = self.post(f"persons/{person['id']}/images", files=files)
        assert answer["refused"] == 0, answer
        return person

    def forget_everything(self) -> None:
        """Delete people, cameras and events, after the visits of the test before have ended."""
        for camera in self.rows("cameras"):
            self.delete(f"cameras/{camera['id']}")
        deadline = time.monotonic() + 20
        while self.rows("events?is_open=true") and time.monotonic() < deadline:
            time.sleep(0.2)
        for event in self.rows("events?page_size=500"):
            self.delete(f"events/{event['id']}")
        for person in self.rows("persons?page_size=500"):
            self.delete(f"persons/{person['id']}")

    def _write(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"X-CSRFToken": self._session.cookies["csrftoken"]}
        return self._session.request(
            method, self._url(path), headers=headers, timeout=120, **options
        )

    def _url(self, path: str) -> str:
        return f"{self._site.url}/api/v1/{path}"

    def _answer(self, response: requests.Response) -> Any:
        assert response.ok, f"{response.request.method} {response.url}: {response.text}"
        return response.json()


def _linked(weights: Path, folder: Path) -> Path:
    """A folder of weights with what is in another one, but for models that users added."""
    folder.mkdir(exist_ok=True)
    for path in weights.iterdir() if weights.is_dir() else ():
        link = folder / path.name
        if path.name != OWN_DIR and not link.exists():
            link.symlink_to(path.resolve())
    return folder


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
