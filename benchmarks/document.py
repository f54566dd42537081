"""Blocks of docs/benchmarks.md. Each block between its two comments is replaced as a whole; the
text around the blocks stays unchanged.

    python -m benchmarks.document NAME FILE.md

inserts a block that a benchmark has written to a file.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from benchmarks.peers import ROOT

DOCUMENT = ROOT / "docs" / "benchmarks.md"


def write_block(name: str, text: str, document: Path = DOCUMENT) -> None:
    """Replace the block `name`; append it if it is new."""
    begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
    block = f"{begin}\n{text.strip()}\n{end}"
    before = document.read_text() if document.exists() else "# Benchmarks\n"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if pattern.search(before):
        after = pattern.sub(lambda _: block, before, count=1)
    else:
        after = f"{before.rstrip()}\n\n{block}\n"
    beside = document.with_suffix(".part")
    beside.write_text(after)
    beside.replace(document)


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown. The first column is text, the others are numbers."""
    marks = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, marks, *rows))


if __name__ == "__main__":
    write_block(sys.argv[1], Path(sys.argv[2]).read_text())
