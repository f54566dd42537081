"""Settings from environment variables and from the file .env."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import environ


class Environment(environ.Env):
    """django-environ takes `$NAME` for the value of another variable, and an unknown name for a
    variable that is not set. A secret may begin with a dollar: here each value is what it says."""

    def get_value(self, var: str, cast: Any = None, **options: Any) -> Any:
        value = self.ENVIRON.get(var, "")
        if value.startswith("$"):
            return self.parse_value(value, cast)
        return super().get_value(var, cast=cast, **options)


def read_environment(root: Path) -> Environment:
    """The variables of the process, then those of the file that `ENV_FILE` names, or of .env in
    `root`."""
    env = Environment()
    env.read_env(env.str("ENV_FILE", str(root / ".env")))
    return env
