"""Settings of the test run: the same, with a folder of its own and a fast password hasher."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

# What somebody keeps in .env for the site is not the tests' affair.
os.environ.setdefault("ENV_FILE", os.devnull)
if "FACEREC_VAR" not in os.environ:
    # Processes that a test starts share it, and leave it to this one.
    os.environ["FACEREC_VAR"] = tempfile.mkdtemp(prefix="facerec-test-")
    atexit.register(shutil.rmtree, os.environ["FACEREC_VAR"], ignore_errors=True)
# Weights are fetched once and shared with `make run`.
_root = Path(__file__).resolve().parent.parent
os.environ.setdefault("WEIGHTS_DIR", str(_root / "var" / "weights"))
# Transactions of tests may idle for longer than those of a process that serves.
os.environ.setdefault("LEASE_S", "60")
# Any free port.
os.environ.setdefault("IMAGEZMQ_BIND", "tcp://127.0.0.1:*")

from facerec_site.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {  # noqa: F405
    "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
}
WHITENOISE_USE_FINDERS = True
# WhiteNoise warns of a folder that is not there, once for each client of a test.
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # noqa: F405
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    # No power cut is survived, and much time saved.
    DATABASES["default"]["OPTIONS"]["init_command"] = "PRAGMA journal_mode=WAL;"  # noqa: F405
    # Threads of a test must see one another's rows: a file, not memory.
    DATABASES["default"]["TEST"] = {"NAME": str(VAR_DIR / "test.sqlite3")}  # noqa: F405
# A site that a test starts may have limits.
REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"] = {  # noqa: F405
    "caller": os.environ.get("API_RATE"),
    "sign_in": os.environ.get("SIGN_IN_RATE"),
}
