"""The callers of the REST benchmark, and its pictures."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from benchmarks.rest import SIZE, _tiled
from benchmarks.rest_load import Round

PICTURES = [b"picture 0", b"picture 1", b"picture 2", b"picture 3"]
PEOPLE = [{"Ada"}, {"Bea"}, {"Ada", "Bea"}, set[str]()]


class _Server(ThreadingHTTPServer):
    answer: dict[str, Any]
    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[bytes] = []
        self.kinds: set[str] = set()


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(body)
        self.server.kinds.add(self.headers["Content-Type"].split(";")[0])
        text = json.dumps(self.server.answer).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[_Server]:
    server = _Server()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def _asked(server: _Server, **question: Any) -> Any:
    host = f"127.0.0.1:{server.server_address[1]}"
    asked = {"host": host, "path": "/x", "clients": 1, "seconds": 0, "group": 4, "first": 0}
    return Round(PICTURES, PEOPLE, asked | question).run()


def test_every_turn_sends_whole_groups_from_its_first_picture_on(server: _Server) -> None:
    server.answer = {"faces": []}
    answers = _asked(server, seconds=0.01, first=3)
    assert len(server.bodies) % 4 == 0
    assert server.bodies[:4] == [PICTURES[3], *PICTURES[:3]]
    assert server.kinds == {"image/jpeg"}
    assert len(answers.ms) == len(server.bodies)
    assert answers.elapsed_s > 0


def test_clients_send_every_picture_equally_often(server: _Server) -> None:
    server.answer = {"faces": []}
    _asked(server, seconds=0.05, clients=3)
    counts = {server.bodies.count(picture) for picture in PICTURES}
    assert len(counts) == 1


def test_names_are_right_where_the_picture_shows_them(server: _Server) -> None:
    ada, nobody = {"person": {"name": "Ada"}}, {"person": None}
    server.answer = {"faces": [ada, nobody]}
    answers = _asked(server, seconds=0.01)
    calls = len(answers.ms)
    assert (answers.faces, answers.named, answers.right) == (2 * calls, calls, calls // 2)


def test_a_form_carries_the_picture_as_a_file(server: _Server) -> None:
    server.answer = {"results": [[{"img_name": "Bea"}, {"img_name": "Ada"}], []]}
    answers = _asked(server, seconds=0.01, form={"model_name": "Dlib"})
    calls = len(answers.ms)
    assert server.kinds == {"multipart/form-data"}
    assert b'name="model_name"\r\n\r\nDlib\r\n' in server.bodies[0]
    assert b'name="img"; filename="photo.jpg"' in server.bodies[0]
    assert (answers.faces, answers.named, answers.right) == (2 * calls, calls, calls // 2)


def test_refused_requests_count_as_errors(server: _Server) -> None:
    server.answer, server.status = {"error": "no"}, 400
    answers = _asked(server, seconds=0.01)
    assert not answers.ms
    assert answers.errors[0].startswith("400 ")


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_tiled_picture_shows_every_photo(count: int) -> None:
    photos = [np.full((250, 250, 3), 50 * (n + 1), np.uint8) for n in range(count)]
    picture = _tiled(photos)
    assert picture.shape == (SIZE[1], SIZE[0], 3)
    assert set(np.unique(picture)) >= {50 * (n + 1) for n in range(count)}
