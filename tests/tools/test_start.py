"""Starting and stopping around the site; the site itself is tested elsewhere."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import environ
import pytest

from tools import start
from tools.start import Options, read_options

LOCAL = Options(port=8000, host="127.0.0.1", is_https=False, has_mariadb=False)


def options_of(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Options:
    for name in ("PORT", "HOST", "HTTPS", "DB"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return read_options(environ.Env())


def test_default_host_is_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    options = options_of(monkeypatch)
    assert options == LOCAL
    assert options.addresses() == ["http://localhost:8000"]
    assert set(options.names()) == {"localhost", "127.0.0.1", "::1"}


def test_https_listens_for_other_computers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "lan_addresses", lambda: ["192.168.1.20"])
    monkeypatch.setattr(start, "names_of_machine", lambda: ["desk", "desk.local"])
    options = options_of(monkeypatch, HTTPS="1", PORT="8443")
    assert options.addresses() == ["https://localhost:8443", "https://192.168.1.20:8443"]
    assert {"localhost", "desk.local", "192.168.1.20"} <= set(options.names())


def test_host_that_is_named_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    options = options_of(monkeypatch, HTTPS="1", HOST="192.168.1.20")
    assert options.addresses() == ["https://192.168.1.20:8000"]
    assert "192.168.1.20" in options.names()


@pytest.mark.parametrize(
    ("variables", "said"),
    [({"PORT": "eighty"}, "PORT=eighty is not a number"), ({"DB": "oracle"}, "set DB=mysql")],
)
def test_invalid_start_options_are_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str
) -> None:
    with pytest.raises(SystemExit, match=said):
        options_of(monkeypatch, **variables)


def test_busy_port_names_another_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        options = Options(port=port, host="127.0.0.1", is_https=False, has_mariadb=False)
        with pytest.raises(SystemExit, match=f"port {port} is in use.*PORT={port + 1}"):
            start.check_port(options)


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_host_of_another_machine_is_refused(host: str) -> None:
    options = Options(port=0, host=host, is_https=False, has_mariadb=False)
    with pytest.raises(SystemExit, match=f"cannot listen on {host}"):
        start.check_port(options)


def test_ipv6_names_are_written_as_django_reads_them() -> None:
    assert [start._bracketed(name) for name in ("localhost", "::1")] == ["localhost", "[::1]"]


def test_field_key_is_made_once(tmp_path: Path) -> None:
    start.ensure_field_key(tmp_path / "var")
    path = tmp_path / "var" / "field_key"
    first = path.read_text()
    start.ensure_field_key(tmp_path / "var")
    assert path.read_text() == first
    assert list(path.parent.iterdir()) == [path]


def test_exit_status_of_a_part_is_handed_on() -> None:
    with pytest.raises(SystemExit) as caught:
        start.run("-c", "raise SystemExit(7)")
    assert caught.value.code == 7


# Write without Python's buffers: a signal may come while the line before is being written.
PART = """
import os, signal, time
def end(number, frame):
    os.write(1, b"drained\\n")
    raise SystemExit(0)
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGINT, lambda *_: os.write(1, b"interrupted\\n"))
os.write(1, b"serving\\n")
time.sleep(60)
"""
PARENT = """
import signal, sys
from tools import start
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, start._interrupt)
try:
    start.run("-c", sys.argv[1])
except start.Interrupted:
    print("stopped", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_lets_the_site_drain(number: int) -> None:
    """Sent to the whole group, like Ctrl-C. The site gets it only once, as SIGTERM."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, PART],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        start_new_session=True,
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "serving\n"
    os.killpg(parent.pid, number)
    said, _ = parent.communicate(timeout=20)
    assert said == "drained\nstopped\n"
    assert parent.returncode == 0


def test_a_second_signal_ends_a_site_that_hangs() -> None:
    stubborn = PART.replace("raise SystemExit(0)", "time.sleep(60)")
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, stubborn],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        start_new_session=True,
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "serving\n"
    parent.send_signal(signal.SIGTERM)
    assert parent.stdout.readline() == "drained\n"
    time.sleep(0.2)
    parent.send_signal(signal.SIGTERM)
    said, _ = parent.communicate(timeout=20)
    assert said == "stopped\n"
