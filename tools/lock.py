"""`python3 -m tools.lock`: writes requirements/lock-*.txt from requirements/*.txt.

All locks are constrained to the versions of lock-cpu.txt, so that they can be installed together.
The resolver (uv) is installed in a temporary environment.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.messages import note
from tools.prepare import LOCKS, ROOT

RESOLVER = "uv==0.13.9"
# The first lock is resolved without constraints, the others with its versions.
NAMES = ("cpu", "mysql", "gpu", "dev", "onnx")
OPTIONS = (
    "--universal",
    "--python-version=3.11",
    "--fork-strategy=fewest",
    "--generate-hashes",
    "--no-annotate",
    "--no-header",
    "--quiet",
    "--constraints=requirements/constraints.txt",
)
HEADER = "# Written by `make lock` from {name}.txt: change that one instead.\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = Path(folder) / "bin" / "python"
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", RESOLVER], check=True)
        for name in NAMES:
            note(f"resolving {name}")
            write_lock(python, name)


def write_lock(python: Path, name: str) -> None:
    output = LOCKS / f"lock-{name}.txt"
    options = [*OPTIONS, f"--output-file={output.relative_to(ROOT)}"]
    if name != NAMES[0]:
        options.append(f"--constraints=requirements/lock-{NAMES[0]}.txt")
    subprocess.run(
        [str(python), "-m", "uv", "pip", "compile", *options, f"requirements/{name}.txt"],
        cwd=ROOT,
        env={"UV_SYSTEM_CERTS": "1", **os.environ},
        check=True,
    )
    output.write_text(HEADER.format(name=name) + output.read_text())


if __name__ == "__main__":
    main()
