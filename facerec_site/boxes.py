"""Framed messages on the terminal, for what the reader must not overlook."""

from __future__ import annotations


def password_box(username: str, password: str) -> str:
    """A user's new password in a frame."""
    lines = [
        f"Sign in as   {username}",
        f"Password     {password}",
        "",
        "It is shown this once. `make password` makes a new one.",
    ]
    width = max(len(line) for line in lines)
    edge = "+" + "-" * (width + 4) + "+"
    return "\n".join(["", edge, *(f"|  {line:<{width}}  |" for line in lines), edge, ""])
