"""`manage.py serve`, as a process of its own, seen through real connections."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import websockets

from tests.certificates import self_signed
from tests.facerec_site.calls import new_connection
from tests.facerec_site.figures import TOKEN, fetched, value
from tests.facerec_site.site import (
    PATIENCE_S,
    ROOT,
    Served,
    closed_with,
    environment_of,
    hear,
    send_frame,
    start_session,
)
from tests.fakes import photo
from tools.ports import free_port

ANN = 11


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("site"), "--", "--port", "0", METRICS_TOKEN=TOKEN)
    yield served
    served.kill()


async def test_frames_are_answered_and_become_an_event(site: Served) -> None:
    async with (
        site.socket("/ws/events/", key="key") as feed,
        site.socket("/ws/live/", key="key") as client,
    ):
        await start_session(client, site)
        for _ in range(10):
            answer = await send_frame(client, photo(ANN, looks=1))
            await asyncio.sleep(0.1)  # a face is unknown after 0.7 s
        assert answer["faces"][0]["decision"] == "unknown"
        told = await hear(feed)
        assert (told["type"], told["event"]["kind"]) == ("event", "opened")
        found = await asyncio.to_thread(fetched, site.url)
    assert value(found, "facerec_frames_total", result="answered") == 10
    assert value(found, "facerec_frame_seconds_count") == 10
    assert value(found, "facerec_streams", state="running") == 1
    assert value(found, "facerec_notices_total", kind="event.opened") == 1


async def test_large_frame_is_refused_and_a_far_larger_one_answered_4413(site: Served) -> None:
    async with site.socket("/ws/live/", key="key") as client:
        await start_session(client, site)
        for size in (4 * 2**20 + 1, 16 * 2**20):
            assert (await send_frame(client, bytes(size)))["code"] == "frame_too_large"
        assert (await send_frame(client, photo(ANN)))["type"] == "faces"
        await client.send(bytes(64 * 2**20))
        assert (await closed_with(client))[0] == 4413


async def test_what_is_no_websocket_message_is_closed_with_a_code(site: Served) -> None:
    async with site.socket("/ws/live/", key="key") as client:
        client.transport.write(b"\xff" * 20)
        assert (await closed_with(client))[0] == 1002


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({}, 4401),
        ({"headers": {"Cookie": "sessionid=x"}, "origin": "http://evil.example"}, 4401),
        ({"key": "detect_key"}, 4403),
    ],
    ids=["not signed in", "from another page", "without the scope"],
)
async def test_a_socket_is_refused_with_its_code(
    site: Served, options: dict[str, Any], code: int
) -> None:
    for path in ("/ws/live/", "/ws/events/"):
        async with site.socket(path, **options) as client:
            assert (await closed_with(client))[0] == code


async def test_websocket_at_an_unknown_address_is_refused(site: Served) -> None:
    with pytest.raises(websockets.InvalidStatus):
        async with site.socket("/ws/nowhere/", key="key"):
            pass


def test_serving_pages_logs_nothing(site: Served) -> None:
    with urllib.request.urlopen(f"{site.url}/health/live") as response:
        assert response.status == 200
        assert "server" not in response.headers
    assert not [line for line in site.lines if "health" in line]


@pytest.mark.parametrize(
    ("is_announced", "refused"),
    [(True, (413, "request_too_large")), (False, (411, "length_required"))],
    ids=["announced", "in chunks"],
)
def test_no_stranger_fills_the_memory_with_a_body(
    start: Callable[..., Served], is_announced: bool, refused: tuple[int, str]
) -> None:
    site = start("--", "--port", "0", MAX_UPLOAD_MB="2")
    process = psutil.Process(site.made["pid"])
    client = new_connection(site)
    block, count = bytes(2**20), 200
    length = {"Content-Length": str(count * len(block))} if is_announced else {}
    before = process.memory_info().rss
    client.request("POST", "/api/v1/detect", (block for _ in range(count)), length)
    answer = client.getresponse()
    assert (answer.status, json.loads(answer.read())["error"]["code"]) == refused
    assert process.memory_info().rss - before < 50 * 2**20


def test_form_without_parts_is_refused_in_the_one_shape(site: Served) -> None:
    client = new_connection(site)
    headers = {
        "X-Api-Key": site.made["detect_key"],
        "Content-Type": "multipart/form-data; boundary=X",
    }
    client.request("POST", "/api/v1/detect", b"--X--", headers)
    answer = client.getresponse()
    told = json.loads(answer.read())
    assert answer.status == 400
    assert told["error"]["code"] in ("validation_error", "parse_error")
    assert told["request_id"] == answer.headers["X-Request-Id"]


def test_large_photo_in_a_form_is_read(site: Served) -> None:
    """A large body in many pieces, more than the buffers on its way can hold."""
    client = new_connection(site)
    head = b'--X\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    body = head + photo(ANN) + bytes(5 * 2**20) + b"\r\n--X--\r\n"
    headers = {
        "X-Api-Key": site.made["key"],
        "Content-Type": "multipart/form-data; boundary=X",
    }
    client.request("POST", "/api/v1/identify", body, headers)
    assert client.getresponse().status == 200


async def _addresses_in_the_audit_log(site: Served) -> list[str]:
    """After a call and a websocket that say they come from 203.0.113.9."""
    await asyncio.to_thread(_detect, site)
    async with site.socket("/ws/events/", key="key", headers={"X-Real-IP": "203.0.113.9"}):
        pass
    actions = "('face.detect', 'events.watch')"
    sql = f"select address from accounts_auditentry where action in {actions}"
    return [str(row[0]) for row in site.rows(sql)]


def _detect(site: Served) -> None:
    headers = {
        "Authorization": f"Bearer {site.made['detect_key']}",
        "Content-Type": "image/jpeg",
        "X-Real-IP": "203.0.113.9",
    }
    request = urllib.request.Request(f"{site.url}/api/v1/detect", photo(ANN), headers)
    with urllib.request.urlopen(request) as response:
        assert response.status == 200


async def test_client_cannot_forge_its_address(start: Callable[..., Served]) -> None:
    site = start("--", "--port", "0")
    assert await _addresses_in_the_audit_log(site) == ["127.0.0.1"] * 2


async def test_a_proxy_tells_the_address_of_the_client(start: Callable[..., Served]) -> None:
    site = start("--", "--port", "0", BEHIND_PROXY="1")
    assert await _addresses_in_the_audit_log(site) == ["203.0.113.9"] * 2


async def test_serve_ends_in_order_on_sigterm(start: Callable[..., Served]) -> None:
    site = start("--", "--port", "0")
    async with (
        site.socket("/ws/live/", key="key") as client,
        site.socket("/ws/events/", key="key") as feed,
    ):
        await start_session(client, site)
        for _ in range(10):
            await send_frame(client, photo(ANN, looks=1))
            await asyncio.sleep(0.1)  # a face is unknown after 0.7 s
        assert (await hear(feed))["event"]["is_open"] is True
        site.process.send_signal(signal.SIGTERM)
        for one in (client, feed):
            assert (await closed_with(one))[0] == 1012
    assert await asyncio.to_thread(site.wait) == 0
    assert site.rows("select is_open, decision from events_event") == [(0, "unknown")]
    assert not site.tracebacks, site.tracebacks


async def test_a_client_that_stays_does_not_hold_up_the_end(start: Callable[..., Served]) -> None:
    """A client that never answers the close frame, and one that has not sent its request yet."""
    site = start("--", "--port", "0")
    assert site.address
    silent = socket.create_connection(("localhost", int(site.address[2])))
    async with site.socket("/ws/live/", key="key") as client:
        await start_session(client, site)
        client.transport.pause_reading()
        assert await asyncio.to_thread(site.terminate) == 0
    silent.close()


def test_serve_ends_in_order_on_ctrl_c(start: Callable[..., Served]) -> None:
    site = start("--", "--port", "0")
    site.process.send_signal(signal.SIGINT)
    assert site.wait() == 0
    assert not site.tracebacks, site.tracebacks


async def test_the_site_is_up_while_the_engine_warms_up(start: Callable[..., Served]) -> None:
    site = start("--engine-after-s", "3", "--", "--port", "0")
    with urllib.request.urlopen(f"{site.url}/health/live") as response:
        assert response.status == 200
    with pytest.raises(urllib.error.HTTPError, match="503"):
        urllib.request.urlopen(f"{site.url}/health/ready")
    async with site.socket("/ws/live/", key="key") as client:
        await client.send(json.dumps({"type": "session.start"}))
        told = await hear(client)
        assert (told["type"], told["state"]) == ("status", "warming_up")
        assert (await hear(client))["type"] == "session.started"
        assert (await send_frame(client, photo(ANN)))["type"] == "faces"


async def test_a_client_that_reads_nothing_is_dropped_before_memory_fills(
    start: Callable[..., Served],
) -> None:
    site = start("--flood", "--", "--port", "0")
    process = psutil.Process(site.made["pid"])
    before = process.memory_info().rss
    async with site.socket("/ws/events/", key="key", max_queue=1) as client:
        client.transport.pause_reading()
        # 20 MB are published each second. A client that does not read them must be cut off.
        await asyncio.sleep(6)
        assert process.memory_info().rss - before < 60e6
        client.transport.resume_reading()
        with pytest.raises(websockets.ConnectionClosed):
            while True:
                await asyncio.wait_for(client.recv(), PATIENCE_S)


def test_busy_port_is_reported_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        done = _manage("serve", "--port", str(port), folder=tmp_path)
    assert done.returncode == 1
    told = done.stderr.strip().splitlines()
    assert len(told) == 1
    assert f"Port {port} is in use" in told[0]
    assert "--port" in told[0]


def test_host_of_another_machine_is_reported(tmp_path: Path) -> None:
    done = _manage("serve", "--host", "192.0.2.1", "--port", "0", folder=tmp_path)
    assert done.returncode == 1
    assert "not an address of this machine" in done.stderr


def test_process_without_web_opens_no_port(start: Callable[..., Served]) -> None:
    site = start("--", "--roles", "cameras,jobs", "--node", "gate")
    assert "Facerec runs cameras, jobs on gate" in site.line_with("stop it with")
    assert not _listens_anywhere(site)
    assert site.terminate() == 0
    assert not site.tracebacks, site.tracebacks


@pytest.mark.parametrize("roles", ["cameras", "jobs"])
def test_health_port_answers_health_and_metrics_alone(
    start: Callable[..., Served], roles: str
) -> None:
    port = free_port()
    environment = {"METRICS_TOKEN": TOKEN, "LOG_FORMAT": "json"}
    site = start("--", "--roles", roles, "--health-port", str(port), **environment)
    for path in ("live", "ready"):
        with urllib.request.urlopen(f"http://localhost:{port}/health/{path}") as response:
            assert response.status == 200
    for path in ("/", "/api/v1/collections"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://localhost:{port}{path}")
    found = fetched(f"http://localhost:{port}")
    assert value(found, "facerec_processes", role=roles) == value(found, "facerec_processes") == 1
    assert value(found, "facerec_requests_total", route="health/live", status="2xx") == 1
    assert json.loads(site.line_with('"message": "process '))["request_id"] == "-"
    assert site.terminate() == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--roles", "web,cooks"], "no role cooks"),
        (["--roles", ","], "--roles names some of"),
        (["--health-port", "1"], "at its own port"),
    ],
)
def test_serve_refuses_a_wrong_role(tmp_path: Path, arguments: list[str], told: str) -> None:
    done = _manage("serve", *arguments, folder=tmp_path)
    assert done.returncode == 1
    assert told in done.stderr


def test_serve_refuses_https_without_a_certificate(tmp_path: Path) -> None:
    done = _manage("serve", "--https", "--port", "0", folder=tmp_path)
    assert done.returncode == 1
    assert "--cert" in done.stderr


async def test_live_session_works_over_https(start: Callable[..., Served], tmp_path: Path) -> None:
    cert, key = self_signed(tmp_path)
    site = start("--", "--port", "0", "--https", "--cert", str(cert), "--key", str(key))
    assert site.url.startswith("https://")
    trust = ssl.create_default_context(cafile=str(cert))
    async with site.socket("/ws/live/", key="key", ssl=trust) as client:
        await start_session(client, site)
        assert (await send_frame(client, photo(ANN)))["type"] == "faces"
    assert await asyncio.to_thread(site.terminate) == 0


def _manage(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment_of(folder),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def _listens_anywhere(site: Served) -> bool:
    connections = psutil.Process(site.made["pid"]).net_connections()
    return any(connection.status == psutil.CONN_LISTEN for connection in connections)
