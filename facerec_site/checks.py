"""System checks: report at the start what would stop the site or make it less safe.

`manage.py check` looks at folders and weights. `--database default` adds the database, and
`--deploy` adds what matters only if strangers can reach the site.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError, connections

from ml_engine.zoo import ARTEFACTS, preset
from recognition.engine import engine_config
from recognition.people.model_versions import missing_versions
from recognition.web.encrypted import NEW_KEY, is_field_key, unreadable_secrets

# The oldest versions that the services work with. Django itself supports older ones.
LEAST_MYSQL = (8, 0, 11)
LEAST_MARIADB = (10, 6)
LEAST_METRICS_TOKEN = 16


@register()
def folders_are_writable(**kwargs: Any) -> list[CheckMessage]:
    """E001: the site cannot write to one of its folders."""
    wanted = {"FACEREC_VAR": settings.VAR_DIR, "MEDIA_ROOT": settings.MEDIA_ROOT}
    if settings.GALLERY_SNAPSHOT_FROM:
        wanted["GALLERY_SNAPSHOT_DIR"] = settings.GALLERY_SNAPSHOT_DIR
    return [
        Error(
            f"{name}: the folder {folder} cannot be written.",
            hint="Give it to the user that runs the site, or set FACEREC_VAR to another folder.",
            id="facerec.E001",
        )
        for name, folder in wanted.items()
        if not _is_writable(Path(folder))
    ]


@register()
def detector_is_known(**kwargs: Any) -> list[CheckMessage]:
    """E004: the engine has no such detector."""
    try:
        preset(engine_config().detector, "detector")
    except KeyError as error:
        return [Error(f"ENGINE_DETECTOR: {error.args[0]}", id="facerec.E004")]
    return []


@register()
def weights_are_there(**kwargs: Any) -> list[CheckMessage]:
    """W001: weights are missing, so the engine will not start. The rest of the site will."""
    if detector_is_known():
        return []
    config = engine_config()
    models = (preset(config.detector), preset(config.embedder))
    wanted = {artefact for model in models for artefact in model.artefacts}
    missing = [
        name
        for artefact in wanted
        for name in ARTEFACTS[artefact].file_names().values()
        if not (config.weights_dir / name).is_file()
    ]
    if not missing:
        return []
    return [
        Warning(
            f"Weights are missing in {config.weights_dir}: {', '.join(sorted(missing))}.",
            hint="Run `make weights`.",
            id="facerec.W001",
        )
    ]


@register(Tags.security, deploy=True)
def secret_key_is_secret(**kwargs: Any) -> list[CheckMessage]:
    """E002: other users of the machine can read the file of the secret key."""
    path = Path(settings.VAR_DIR) / "secret_key"
    if not path.exists() or path.read_text() != settings.SECRET_KEY:
        return []  # it came from the environment
    if not stat.S_IMODE(path.stat().st_mode) & 0o077:
        return []
    hint = f"chmod 600 {path}"
    return [Error(f"Others can read the secret key in {path}.", hint=hint, id="facerec.E002")]


@register()
def field_keys_are_keys(**kwargs: Any) -> list[CheckMessage]:
    """E005: secrets could be neither encrypted nor read."""
    hint = f"`{NEW_KEY}` prints a key."
    return [
        Error(f"FIELD_KEYS: number {number} is not a key.", hint=hint, id="facerec.E005")
        for number, key in enumerate(settings.FIELD_KEYS, 1)
        if not is_field_key(key)
    ]


@register(Tags.security, deploy=True)
def field_key_is_secret(**kwargs: Any) -> list[CheckMessage]:
    """E006: the file of the key can be read by others."""
    path = Path(settings.VAR_DIR) / "field_key"
    if not path.exists() or path.read_text().split() != settings.FIELD_KEYS:
        return []  # they came from the environment
    if not stat.S_IMODE(path.stat().st_mode) & 0o077:
        return []
    hint = f"chmod 600 {path}"
    return [Error(f"Others can read the field key in {path}.", hint=hint, id="facerec.E006")]


@register()
def metrics_token_is_long(**kwargs: Any) -> list[CheckMessage]:
    """E007: the token of /metrics could be guessed."""
    if not settings.METRICS_TOKEN or len(settings.METRICS_TOKEN) >= LEAST_METRICS_TOKEN:
        return []
    told = f"METRICS_TOKEN has less than {LEAST_METRICS_TOKEN} characters."
    return [Error(told, hint="`openssl rand -hex 32` prints one.", id="facerec.E007")]


@register(Tags.database)
def stored_secrets_are_readable(databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """W003: the key is missing that a stored secret was encrypted with."""
    if not databases or field_keys_are_keys():
        return []
    try:
        unreadable = unreadable_secrets()
    except DatabaseError:  # before the first migration
        return []
    hint = "Add the missing key to FIELD_KEYS, or enter the secrets anew."
    return [
        Warning(
            f"{row}: encrypted with a key that is not in FIELD_KEYS.", hint=hint, id="facerec.W003"
        )
        for row in unreadable
    ]


@register(Tags.security, deploy=True)
def pictures_are_private(**kwargs: Any) -> list[CheckMessage]:
    """E003: other users of the machine can read the pictures of people."""
    folder = Path(settings.MEDIA_ROOT)
    if not folder.is_dir() or not stat.S_IMODE(folder.stat().st_mode) & 0o007:
        return []
    hint = f"chmod 700 {folder}"
    return [Error(f"Others can read the pictures in {folder}.", hint=hint, id="facerec.E003")]


@register(Tags.database)
def database_keeps_promises(databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """E010 to E013: MySQL or MariaDB is too old, not in strict mode, or has the wrong isolation
    level or character set."""
    messages: list[CheckMessage] = []
    for alias in databases or []:
        connection: Any = connections[alias]
        if connection.vendor == "mysql":
            messages += _mysql(connection)
    return messages


@register(Tags.database)
def model_versions_are_there(databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """W002: the model version that embedded a collection's faces is not installed."""
    if not databases:
        return []
    try:
        missing = missing_versions()
    except DatabaseError:  # before the first migration
        return []
    return [
        Warning(f"{one.collection}: {one.message}", hint=one.way_out, id="facerec.W002")
        for one in missing
    ]


def _mysql(connection: Any) -> list[CheckMessage]:
    is_mariadb = connection.mysql_is_mariadb
    least = LEAST_MARIADB if is_mariadb else LEAST_MYSQL
    name = "MariaDB" if is_mariadb else "MySQL"
    found: list[CheckMessage] = []
    if connection.mysql_version < least:
        now, wanted = (".".join(map(str, v)) for v in (connection.mysql_version, least))
        found.append(Error(f"{name} {now} is too old: {wanted} is needed.", id="facerec.E010"))
    if "STRICT" not in ",".join(connection.sql_mode):
        hint = "Add STRICT_ALL_TABLES to sql_mode."
        found.append(Error(f"{name} is not in strict mode.", hint=hint, id="facerec.E011"))
    if connection.isolation_level != "read committed":
        message = f"{name} must be used with isolation level READ COMMITTED."
        found.append(Error(message, id="facerec.E012"))
    if _charset(connection) != "utf8mb4":
        hint = "ALTER DATABASE … CHARACTER SET utf8mb4, before the first migration."
        message = f"The {name} database cannot hold every name."
        found.append(Error(message, hint=hint, id="facerec.E013"))
    return found


def _charset(connection: Any) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@character_set_database")
        return cursor.fetchone()[0]


def _is_writable(folder: Path) -> bool:
    """True also if the folder does not exist yet but can be made."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
