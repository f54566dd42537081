"""`python -m tools.start run|demo|password`: start the site with all that it needs.

Reads PORT, HOST, HTTPS and DB from the environment or `.env`. Checks the port, starts the private
MariaDB if asked, fetches weights, migrates the database, and serves. When it is told to stop, it
stops all of them again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from cryptography.fernet import Fernet

from facerec_site.environment import Environment, read_environment
from tools.certificate import CertificateFiles, ensure_certificate
from tools.messages import note, stop
from tools.ports import is_free, lan_addresses, names_of_machine
from tools.prepare import ROOT
from tools.private_mariadb import private_mariadb

TARGETS = ("run", "demo", "password")
LOCAL_NAMES = ["localhost", "127.0.0.1", "::1"]
EVERYWHERE = ("0.0.0.0", "::")


class Interrupted(BaseException):
    """This program was told to stop."""


@dataclass(frozen=True, slots=True)
class Options:
    port: int
    host: str
    is_https: bool
    has_mariadb: bool

    @property
    def is_open(self) -> bool:
        return self.host in EVERYWHERE

    def names(self) -> list[str]:
        """The names and addresses of the site, for ALLOWED_HOSTS and the certificate."""
        if self.is_open:
            return [*LOCAL_NAMES, *names_of_machine(), *lan_addresses()]
        return LOCAL_NAMES if self.host in LOCAL_NAMES else [*LOCAL_NAMES, self.host]

    def addresses(self) -> list[str]:
        """URLs to open in a browser: first on this computer, then on others."""
        scheme = "https" if self.is_https else "http"
        elsewhere = lan_addresses() if self.is_open else []
        first = "localhost" if self.is_open or self.host in LOCAL_NAMES else self.host
        return [f"{scheme}://{name}:{self.port}" for name in [first, *elsewhere]]


def read_options(env: Environment) -> Options:
    is_https = env.bool("HTTPS", False)
    database = env.str("DB", "")
    if database not in ("", "sqlite", "mysql"):
        stop(f"DB={database} is not known: leave it out, or set DB=mysql.")
    try:
        port = env.int("PORT", 8000)
    except ValueError:
        stop(f"PORT={env.str('PORT')} is not a number.")
    # HTTPS is for browsers on other computers, so it listens on all addresses by default.
    host = env.str("HOST", "") or ("0.0.0.0" if is_https else "127.0.0.1")
    return Options(port, host, is_https, database == "mysql")


def main(target: str) -> None:
    if target not in TARGETS:
        stop(f"unknown target {target!r}; there are {', '.join(TARGETS)}")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _interrupt)
    env = read_environment(ROOT)
    var = Path(env.str("FACEREC_VAR", str(ROOT / "var"))).resolve()
    options = read_options(env)
    # Only the owner may read the files that are written: they contain faces, keys and passwords.
    os.umask(0o077)
    try:
        if target == "password":
            with database(options, var):
                run("manage.py", "password")
        else:
            start_site(options, var, is_demo=target == "demo")
    except Interrupted:
        note("stopped")


def start_site(options: Options, var: Path, *, is_demo: bool) -> None:
    check_port(options)
    # Hide TensorFlow's messages and warnings about the machine; errors are still shown.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("ALLOWED_HOSTS", ",".join(_bracketed(n) for n in options.names()))
    if not os.environ.get("FIELD_KEYS"):
        ensure_field_key(var)
    certificate = _certificate(options, var) if options.is_https else None
    with database(options, var):
        run("-m", "tools.weights")
        run("manage.py", "bootstrap")
        if is_demo:
            run("manage.py", "demo")
        tell_addresses(options)
        run(*serve_command(options, certificate))


def ensure_field_key(var: Path) -> None:
    """Made once, for its owner alone; the settings read it."""
    path = var / "field_key"
    if not path.exists():
        var.mkdir(parents=True, exist_ok=True)
        # Written beside and renamed: half a key would be taken for one.
        beside = path.with_name(f"field_key.{os.getpid()}")
        beside.touch(mode=0o600)
        beside.write_bytes(Fernet.generate_key())
        beside.rename(path)


def check_port(options: Options) -> None:
    try:
        free = is_free(options.host, options.port)
    except (OSError, OverflowError) as error:
        stop(f"cannot listen on {options.host} port {options.port}: {error}")
    if not free:
        stop(
            f"port {options.port} is in use, perhaps by another Facerec. "
            f"Choose another one: make run PORT={options.port + 1}"
        )


def _bracketed(name: str) -> str:
    return f"[{name}]" if ":" in name else name


def _certificate(options: Options, var: Path) -> CertificateFiles:
    return ensure_certificate(var / "https", options.names())


@contextmanager
def database(options: Options, var: Path) -> Iterator[None]:
    """With DB=mysql, run a MariaDB below `var` and set DATABASE_URL to it.

    Its pictures are in a folder beside it, because the site removes files that its database does
    not list.
    """
    folder = var / "mariadb"
    with private_mariadb(folder) if options.has_mariadb else nullcontext() as url:
        if url is not None:
            os.environ["DATABASE_URL"] = url
            os.environ["MEDIA_DIR"] = str(folder / "media")
        yield


def serve_command(options: Options, certificate: CertificateFiles | None) -> list[str]:
    command = ["manage.py", "serve", "--host", options.host, "--port", str(options.port)]
    if certificate is None:
        return command
    files = ["--cert", str(certificate.certificate), "--key", str(certificate.key)]
    return [*command, "--https", *files]


def tell_addresses(options: Options) -> None:
    """Print the URLs for other computers. The server prints the one for this computer itself."""
    if options.is_open:
        note(f"from other computers: {'  or  '.join(options.addresses()[1:])}")
    if options.is_https:
        note("the certificate is self-signed: browsers warn once, and you can tell them to go on")
    elif options.is_open:
        note("on other computers, browsers give a camera only over HTTPS: make run HTTPS=1")


def run(*arguments: str) -> None:
    """Run Python with these arguments. If it fails, this program ends with the same status.

    It runs in a new session, so that Ctrl-C reaches it only through us, as SIGTERM.
    """
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, start_new_session=True, stdin=subprocess.DEVNULL
    )
    try:
        status = process.wait()
    except Interrupted:
        _end(process)
        raise
    if status:
        _leave(status)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the process to stop, and wait. If we get a second signal, kill it."""
    _signal(process, signal.SIGTERM)
    try:
        process.wait()
    except Interrupted:
        _signal(process, signal.SIGKILL)
        process.wait()


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def _leave(status: int) -> NoReturn:
    # The failed program has already printed the reason.
    raise SystemExit(status if status > 0 else 128 - status)


def _interrupt(number: int, frame: object) -> None:
    raise Interrupted


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "run")
