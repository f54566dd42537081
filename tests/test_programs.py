"""Programs that are forked behave like those that Python starts."""

from __future__ import annotations

import signal
import subprocess

import pytest

from tests.programs import Program


def _program(code: str, **environment: str) -> Program:
    """A program that runs this code once."""
    return Program("timeit", "-n1", "-r1", code, environment=environment, with_errors=True)


def test_program_has_the_environment_that_it_is_given() -> None:
    program = _program("import os; print(dict(os.environ))", ONE="1")
    assert program.stdout.readline() == "{'ONE': '1'}\n"
    assert program.wait(30) == 0
    program.stdout.close()


def test_program_tells_its_pid_and_exit_code() -> None:
    program = _program("import os; print(os.getpid(), flush=True); os._exit(3)")
    assert int(program.stdout.readline()) == program.pid
    assert program.wait(30) == program.poll() == program.returncode == 3
    program.stdout.close()


def test_program_that_is_killed_tells_the_signal() -> None:
    program = _program("import time; time.sleep(60)")
    assert program.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        program.wait(0)
    program.kill()
    assert program.wait(30) == -signal.SIGKILL
    program.kill()  # a second time does no harm
    program.stdout.close()


def test_what_a_program_says_of_errors_is_heard() -> None:
    program = _program("raise ValueError('no good')")
    assert program.wait(30) == 1
    assert "ValueError: no good" in program.stdout.read()
    program.stdout.close()
