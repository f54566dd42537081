"""A site on a separate disk that becomes full, read-only or lost: a tmpfs in a namespace."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest

from tests.facerec_site.calls import (
    Answer,
    ask,
    get,
    identify,
    manage,
    new_connection,
    post_json,
    sign_in,
)
from tests.facerec_site.site import PATIENCE_S, Served, send_frame, start_session
from tests.fakes import photo
from tests.recognition.cameras.network import rtsp_server, sent_pictures
from tests.recognition.cameras.sources.rtsp_peer import RtspServer
from tools.private_mariadb import MariadbServer
from tools.system import find_program

__all__ = ["rtsp_server", "sent_pictures"]
_NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]
_ANN, _BOB = 11, 12
# From one arrival at the camera to the next.
_ROUND_S = 10


def _is_allowed() -> bool:
    try:
        command = [*_NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


pytestmark = pytest.mark.skipif(
    not _is_allowed(), reason="this system lets nobody make a namespace with mounts of its own"
)


class Disk:
    """120 MB below a site's folder. The site's process is the only one that sees it."""

    def __init__(self, folder: Path, **environment: str) -> None:
        folder.mkdir()
        self.folder = folder
        mount = 'mount -t tmpfs -o size=120m tmpfs "$0" && exec "$@"'
        within = [*_NAMESPACE, "sh", "-c", mount, str(folder)]
        arguments = ("--", "--port", "0")
        environment |= {"KEEP_FREE_MB": "16", "CAMERA_ALLOW_LOCAL": "true"}
        self.site = Served(folder, *arguments, within=within, **environment)
        self.seen = Path(f"/proc/{self.site.process.pid}/root{folder}")

    def fill(self) -> None:
        """Fill the disk completely."""
        filling = os.open(self.seen / "filling", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            with suppress(OSError):
                while True:
                    os.write(filling, bytes(4096))
        finally:
            os.close(filling)

    def make_media_read_only(self) -> None:
        media = str(self.folder / "media")
        self._mount("--bind", media, media)
        self._mount("-o", "remount,ro,bind", media)

    def make_media_writable(self) -> None:
        self._mount("-o", "remount,rw,bind", str(self.folder / "media"))

    def _mount(self, *arguments: str) -> None:
        pid = str(self.site.process.pid)
        enter = ["nsenter", "-t", pid, "-U", "-m", "--preserve-credentials"]
        subprocess.run([*enter, "mount", *arguments], check=True)


@pytest.fixture(params=["sqlite", "mariadb"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    if request.param == "sqlite":
        made = Disk(tmp_path / "var")
        yield made
        made.site.kill()
        return
    pytest.importorskip("MySQLdb")
    if find_program("mariadbd", "mysqld") is None:
        pytest.skip("MariaDB is not installed")
    server = MariadbServer(tmp_path / "mariadb", is_disposable=True)
    server.start()
    made = Disk(tmp_path / "var", DATABASE_URL=server.url)
    yield made
    made.site.kill()
    server.kill()


def _enrol(site: Served, number: int) -> Answer:
    client = new_connection(site)
    headers = {"X-Api-Key": site.made["key"], "Content-Type": "image/jpeg"}
    path = f"/api/v1/persons/{site.made['person']}/images"
    client.request("POST", path, photo(number), headers)
    response = client.getresponse()
    return Answer(response.status, dict(response.getheaders()), response.read().decode())


def _code(answer: Answer) -> tuple[int, str]:
    return answer.status, json.loads(answer.body)["error"]["code"]


def _images(site: Served) -> list[str]:
    path = f"/api/v1/images?person={site.made['person']}"
    page = json.loads(ask(site, new_connection(site), "GET", path).body)
    return [image["id"] for image in page["results"]]


def _until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.2)


def _readiness(site: Served) -> dict[str, str]:
    """The states of the parts that store data, by name."""
    answer = get(site, "/health/ready")
    assert answer.status == 200, answer.body
    return {name: json.loads(answer.body)["parts"][name] for name in ("database", "storage")}


def _is_in_order(site: Served) -> bool:
    return _readiness(site) == {"database": "ok", "storage": "ok"}


def _start_page(site: Served) -> str:
    _until(lambda: sign_in(site).status == 302)
    cookies = SimpleCookie(sign_in(site).headers["set-cookie"])
    return get(site, "/admin/", Cookie=f"sessionid={cookies['sessionid'].value}").body


def _picture(site: Served) -> Answer:
    path = f"/api/v1/images/{_images(site)[0]}/file"
    return ask(site, new_connection(site), "GET", path)


def test_full_disk_is_told_and_room_is_made_through_the_site(disk: Disk) -> None:
    site = disk.site
    assert _enrol(site, _ANN).status == 201
    other = json.loads(post_json(site, "/api/v1/persons", {"name": "Bob"}).body)["id"]
    _until(lambda: _is_in_order(site))
    disk.fill()
    _until(lambda: _readiness(site)["storage"] == "full")
    assert _code(_enrol(site, _BOB)) == (507, "storage_full")
    assert "disk is full: nothing new" in _start_page(site)
    assert len(_images(site)) == 1
    erased = ask(site, new_connection(site), "DELETE", f"/api/v1/persons/{other}")
    assert erased.status == 204, erased.body
    gone = ask(site, new_connection(site), "DELETE", f"/api/v1/images/{_images(site)[0]}")
    assert gone.status == 204, gone.body
    assert _images(site) == []
    (disk.seen / "filling").unlink()
    _until(lambda: _is_in_order(site))
    assert _enrol(site, _BOB).status == 201
    assert "disk is full: nothing new" not in _start_page(site)


def test_media_that_is_read_only_is_told_and_nothing_is_lost(disk: Disk) -> None:
    site = disk.site
    assert _enrol(site, _ANN).status == 201
    disk.make_media_read_only()
    assert _code(_enrol(site, _BOB)) == (503, "storage_read_only")
    assert _readiness(site) == {"database": "ok", "storage": "read_only"}
    assert "cannot write to its disk" in _start_page(site)
    assert identify(site).status == 200
    assert _picture(site).status == 200
    asyncio.run(_visit(site))
    disk.make_media_writable()
    assert _is_in_order(site)
    _until(lambda: bool(_events(site)))
    assert _events(site)[0]["face_url"], "its picture has waited"


def test_media_that_are_gone_are_told_and_come_back(disk: Disk) -> None:
    site = disk.site
    assert _enrol(site, _ANN).status == 201
    (disk.seen / "media").rename(disk.seen / "away")
    (disk.seen / "media").mkdir()
    assert _code(_enrol(site, _BOB)) == (503, "storage_gone")
    assert _code(_picture(site)) == (503, "storage_gone")
    assert _readiness(site) == {"database": "ok", "storage": "gone"}
    assert "folder of pictures is missing" in _start_page(site)
    assert list((disk.seen / "media").iterdir()) == [], "nothing is put in its place"
    (disk.seen / "media").rmdir()
    (disk.seen / "away").rename(disk.seen / "media")
    assert _is_in_order(site)
    assert _picture(site).status == 200
    assert _enrol(site, _BOB).status == 201


def test_full_disk_loses_clips_of_a_network_camera_at_most(
    disk: Disk, rtsp_server: RtspServer
) -> None:
    """A person comes to the camera again and again."""
    site = disk.site
    camera = {"name": "Door", "kind": "rtsp", "address": rtsp_server.url("arrival.mkv")}
    clip = {"clip_before_s": 2, "clip_after_s": 3}
    assert manage(site, "POST", "/api/v1/cameras", camera | clip).status == 201
    _until(lambda: "ready" in _clip_states(site))
    disk.fill()
    _until(lambda: _readiness(site)["storage"] == "full")
    before = len(_events(site))
    time.sleep(2 * _ROUND_S)
    assert get(site, "/health/live").status == 200
    (disk.seen / "filling").unlink()
    _until(lambda: _is_in_order(site))
    _until(lambda: len(_events(site)) > before and "recording" not in _clip_states(site)[1:])
    assert all(event["face_url"] for event in _events(site)), "visits have waited"
    assert set(_clip_states(site)[1:]) <= {"ready", "lost"}
    assert not site.tracebacks, site.tracebacks


def _clip_states(site: Served) -> list[str]:
    """The newest first."""
    return [event["clip"]["state"] for event in _events(site) if event["clip"]]


async def _visit(site: Served) -> None:
    """A person is seen, and leaves, while pictures cannot be stored."""
    async with site.socket("/ws/live/", key="key") as client:
        await start_session(client, site)
        for _ in range(10):
            await send_frame(client, photo(_BOB))
            await asyncio.sleep(0.1)  # a face is unknown after 0.7 s
            await asyncio.sleep(0.3)


def _events(site: Served) -> list[dict[str, Any]]:
    return json.loads(ask(site, new_connection(site), "GET", "/api/v1/events").body)["results"]
