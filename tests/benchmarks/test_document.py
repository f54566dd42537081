"""Blocks of the benchmarks' document."""

from __future__ import annotations

from pathlib import Path

from benchmarks.document import table, write_block


def test_a_block_is_replaced_and_the_rest_is_left_alone(tmp_path: Path) -> None:
    document = tmp_path / "benchmarks.md"
    document.write_text(
        "# Benchmarks\n\nBy hand.\n\n<!-- begin: live -->\nold\n<!-- end: live -->\n\nThe end.\n"
    )
    write_block("live", "new \\1 $x\n", document)
    assert document.read_text() == (
        "# Benchmarks\n\nBy hand.\n\n<!-- begin: live -->\nnew \\1 $x\n<!-- end: live -->\n\n"
        "The end.\n"
    )
    assert not list(tmp_path.glob("*.part"))


def test_a_new_block_goes_to_the_end_of_a_document_that_may_not_be_there(tmp_path: Path) -> None:
    document = tmp_path / "benchmarks.md"
    write_block("one", "1", document)
    write_block("two", "2", document)
    write_block("one", "3", document)
    assert document.read_text() == (
        "# Benchmarks\n\n<!-- begin: one -->\n3\n<!-- end: one -->\n\n"
        "<!-- begin: two -->\n2\n<!-- end: two -->\n"
    )


def test_table_is_markdown_with_numbers_to_the_right() -> None:
    assert table(["name", "ms"], [["ours", "1.0"]]).splitlines() == [
        "| name | ms |",
        "| --- | ---: |",
        "| ours | 1.0 |",
    ]
