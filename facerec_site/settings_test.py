"""Settings of the test run: those of the site, with their own folder and a fast password hasher."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

# Tests must not depend on the .env of the site.
os.environ.setdefault("ENV_FILE", os.devnull)
if "FACEREC_VAR" not in os.environ:
    # Processes that a test starts inherit the variable. They use this folder and do not remove it.
    os.environ["FACEREC_VAR"] = tempfile.mkdtemp(prefix="facerec-test-")
    atexit.register(shutil.rmtree, os.environ["FACEREC_VAR"], ignore_errors=True)
# Weights are downloaded once and shared with `make run`.
_root = Path(__file__).resolve().parent.parent
os.environ.setdefault("WEIGHTS_DIR", str(_root / "var" / "weights"))
# MariaDB ends a transaction that is idle for LEASE_S; those of tests may be idle for longer.
os.environ.setdefault("LEASE_S", "60")
# Any free port.
os.environ.setdefault("IMAGEZMQ_BIND", "tcp://127.0.0.1:*")

from facerec_site.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {  # noqa: F405
    "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
}
WHITENOISE_USE_FINDERS = True
# If the folder is missing, WhiteNoise warns once for each test client.
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # noqa: F405
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    # Without synchronous=FULL: tests need not survive a power cut, and run much faster.
    DATABASES["default"]["OPTIONS"]["init_command"] = "PRAGMA journal_mode=WAL;"  # noqa: F405
    # A file and not memory, so that the threads of a test see each other's rows.
    DATABASES["default"]["TEST"] = {"NAME": str(VAR_DIR / "test.sqlite3")}  # noqa: F405
# No limits, unless a test starts a site with these variables.
REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"] = {  # noqa: F405
    "caller": os.environ.get("API_RATE"),
    "sign_in": os.environ.get("SIGN_IN_RATE"),
}
