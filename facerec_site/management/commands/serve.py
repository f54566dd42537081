"""`manage.py serve`: run one process with some or all roles, until it is told to stop."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import socket
import sys
import threading
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from daphne.endpoints import build_endpoint_description_strings
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from facerec_site.headless import NoServer, only_health
from recognition.web.process import ROLES, Process, process, use_process

logger = logging.getLogger(__name__)

# Running requests get this share of the time to stop; frames, visits and the engine get the rest.
_REQUESTS_SHARE = 0.6
# If the process has not stopped this long after DRAIN_S, it exits at once, before its supervisor
# kills it.
_PATIENCE_S = 3.0
# Most connections that wait to be accepted; the system may allow fewer (net.core.somaxconn).
_BACKLOG = 1024
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Command(BaseCommand):
    help = (
        "Serve pages, REST and websockets (web), play cameras (cameras) and run jobs (jobs). Any "
        "number of processes may share one database, each with some of these roles or all."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--roles", default=",".join(ROLES), help="some of %(default)s")
        parser.add_argument(
            "--node",
            default="",
            help="name of this machine, for cameras that name one; the host's name by default",
        )
        parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 or :: for every address")
        parser.add_argument("--port", type=int, default=8000, help="0 takes any that is free")
        parser.add_argument("--https", action="store_true", help="needs --cert and --key")
        parser.add_argument("--cert", type=Path, help="certificate chain, PEM")
        parser.add_argument("--key", type=Path, help="private key, PEM")
        parser.add_argument("--access-log", action="store_true", help="one line a request")
        parser.add_argument(
            "--health-port",
            type=int,
            help="without the role web no port is opened; this one answers /health/ and /metrics",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        made = _process(options)
        server = _server(made, options)
        # Stop the process object that was in use before `made`.
        process().stop(settings.DRAIN_S)
        use_process(made)
        serving = _Serving(server, made, lambda: self._tell(made, server, options))
        server.ready_callable = serving.begin
        server.run()
        if server.failure:
            raise CommandError(server.failure)
        serving.ended()

    def _tell(self, made: Process, server: Any, options: dict[str, Any]) -> None:
        roles = ", ".join(role for role in ROLES if role in made.roles)
        if "web" in made.roles:
            told = f"Facerec is at {_address(server, options)}"
        else:
            told = f"Facerec runs {roles} on {made.node}"
        logger.info("process %s runs %s", made.id, roles)
        self.stdout.write(f"{told} (stop it with Ctrl-C)")
        self.stdout.flush()


def _process(options: dict[str, Any]) -> Process:
    roles = [role.strip() for role in options["roles"].split(",") if role.strip()]
    if not roles:
        raise CommandError(f"--roles names some of {', '.join(ROLES)}.")
    try:
        made = Process(roles=roles, node=options["node"])
    except ValueError as error:
        raise CommandError(str(error)) from error
    if "web" in made.roles and options["health_port"] is not None:
        raise CommandError("A process with the role web answers /health/ at its own port.")
    return made


def _server(made: Process, options: dict[str, Any]) -> Any:
    """The server that listens, or a `NoServer` if the process opens no port."""
    is_web = "web" in made.roles
    if not is_web:
        options["port"], options["https"] = options["health_port"], False
    if options["port"] is None:
        return NoServer()
    endpoint = _endpoint(options)
    if problem := _port_problem(options["host"], options["port"]):
        raise CommandError(problem)
    # Imported only now because it imports the whole site.
    from facerec_site.asgi import application
    from facerec_site.server import SiteServer

    return SiteServer(
        application if is_web else only_health(application),
        endpoints=[endpoint],
        action_logger=_access_log() if options["access_log"] else None,
        websocket_max_message_size=settings.MOST_FRAME_BYTES,
        websocket_max_frame_size=settings.MOST_FRAME_BYTES,
        websocket_timeout=-1,
        # The header with the client's address, for the audit log and for locks on sign-in. Not
        # X-Forwarded-For: that is a list, and its first entries may come from the client.
        proxy_forwarded_address_header="X-Real-IP" if _is_behind_proxy() else None,
        server_name="",
    )


def _address(server: Any, options: dict[str, Any]) -> str:
    scheme = "https" if options["https"] else "http"
    port = server.ports[0].getHost().port
    anywhere = options["host"] in ("0.0.0.0", "::", "127.0.0.1", "::1")
    host = "localhost" if anywhere else options["host"]
    return f"{scheme}://{host}:{port}/"


class _Serving:
    """Starts the parts of the process when the server is ready, and stops them in order."""

    def __init__(self, server: Any, made: Process, tell: Callable[[], None]) -> None:
        self._server = server
        self._process = made
        self._tell = tell
        self._draining: asyncio.Task[None] | None = None

    def begin(self) -> None:
        from recognition.notices import publish

        loop = self._server.loop
        publish.set_loop(loop)
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._stop)
        self._process.start()
        self._tell()

    def ended(self) -> None:
        for number in _SIGNALS:
            self._server.loop.remove_signal_handler(number)

    def _stop(self) -> None:
        if self._draining is not None:
            logger.warning("stopped at once")
            os._exit(1)
        # Exit even if something hangs.
        last = threading.Timer(settings.DRAIN_S + _PATIENCE_S, os._exit, (1,))
        last.daemon = True
        last.start()
        self._draining = self._server.loop.create_task(self._drain())

    async def _drain(self) -> None:
        logger.info("stopping")
        requests_s = settings.DRAIN_S * _REQUESTS_SHARE
        try:
            await self._server.drain(requests_s)
            rest_s = settings.DRAIN_S - requests_s
            if not await asyncio.to_thread(self._process.stop, rest_s):
                logger.warning("not everything was finished in time")
            await self._server.hang_up()
        except Exception:
            logger.exception("stopping did not go well")
        finally:
            self._server.stop()


def _endpoint(options: dict[str, Any]) -> str:
    """Where to listen, as an endpoint description of Twisted."""
    if not options["https"]:
        where = build_endpoint_description_strings(host=options["host"], port=options["port"])[0]
        return f"{where}:backlog={_BACKLOG}"
    for name in ("cert", "key"):
        if options[name] is None or not options[name].is_file():
            raise CommandError(f"--https needs --{name}, a file that can be read.")
    key, cert, host = (
        _escaped(str(value)) for value in (options["key"], options["cert"], options["host"])
    )
    port = options["port"]
    # The first certificate is the site's own. Twisted must be told of a chain only if there is one.
    is_chain = options["cert"].read_text(errors="replace").count("BEGIN CERTIFICATE") > 1
    chain = f":extraCertChain={cert}" if is_chain else ""
    return f"ssl:{port}:privateKey={key}:certKey={cert}{chain}:interface={host}:backlog={_BACKLOG}"


def _escaped(value: str) -> str:
    return value.strip("[]").replace("\\", "\\\\").replace(":", "\\:").replace("=", "\\=")


def _port_problem(host: str, port: int) -> str | None:
    """Why the port cannot be opened, and what to do; None if it can. Called before slow imports."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host.strip("[]"), port), family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"Port {port} is in use: stop what listens there, or choose another with --port."
        if error.errno == errno.EACCES:
            return f"Port {port} may not be opened by this user: choose one above 1023."
        return f"{host} is not an address of this machine ({error.strerror or error})."
    return None


def _is_behind_proxy() -> bool:
    return settings.SECURE_PROXY_SSL_HEADER is not None


def _access_log() -> Any:
    from daphne.access import AccessLogGenerator

    return AccessLogGenerator(sys.stdout)
