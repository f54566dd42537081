"""The settings of the site. No other module reads the environment or `.env`.

`.env.example` lists every variable with its meaning.
"""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse_lazy

# Unfold, the look of the admin, reads its settings from here.
from facerec_site.admin_theme import UNFOLD  # noqa: F401
from facerec_site.environment import read_environment
from facerec_site.logs import logging_config

BASE_DIR = Path(__file__).resolve().parent.parent

env = read_environment(BASE_DIR)

# Everything that the running site writes lives below this one folder.
VAR_DIR = Path(env.str("FACEREC_VAR", str(BASE_DIR / "var"))).resolve()
DEBUG = env.bool("DEBUG", False)


def _write_secret_key(path: Path) -> None:
    """Write the key to a file of its own, then link it: if several processes start at once, the
    first link wins and all read the same key."""
    from django.core.management.utils import get_random_secret_key

    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"secret_key.{os.getpid()}")
    beside.touch(mode=0o600)
    beside.write_text(get_random_secret_key() + get_random_secret_key())
    with suppress(FileExistsError):
        path.hardlink_to(beside)
    beside.unlink()


def _secret_key() -> str:
    """The key from the environment; otherwise one from a file, made at the first start, that only
    its owner can read."""
    key = env.str("SECRET_KEY", "")
    if key:
        if len(key) < 40:
            raise ImproperlyConfigured("SECRET_KEY must have at least 40 characters.")
        return key
    path = VAR_DIR / "secret_key"
    if not path.exists():
        _write_secret_key(path)
    return path.read_text()


SECRET_KEY = _secret_key()


def _field_keys() -> list[str]:
    """The keys from the environment, or the one that `make run` made."""
    path = VAR_DIR / "field_key"
    made = path.read_text().split() if path.exists() else []
    return env.list("FIELD_KEYS", default=[]) or made


# Encrypt passwords of cameras in the database: the first one encrypts, each of them decrypts.
FIELD_KEYS = _field_keys()
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("TRUSTED_ORIGINS", default=[])
CSRF_FAILURE_VIEW = "facerec_site.errors.csrf_failure"
# If the site is served over HTTPS, cookies are sent over HTTPS only.
HTTPS = env.bool("HTTPS", False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = env.bool("HTTPS_REDIRECT", False)
SECURE_REDIRECT_EXEMPT = [r"^health/", r"^metrics$"]
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", 0)
# These checks ask for HSTS on all subdomains and in the preload list of browsers. Both affect hosts
# other than this one, so they are not decided here.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_PROXY", False) else None
)
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"

INSTALLED_APPS = [
    # Before Unfold and the admin, so that our template replaces the start page of the admin.
    "recognition.web",
    "recognition.notices",
    "recognition.jobs",
    "recognition.people",
    "recognition.bulk",
    "recognition.cameras",
    "recognition.training",
    "recognition.events",
    "recognition.live",
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "channels",
    "axes",
    "facerec_site",
    "accounts",
]

MIDDLEWARE = [
    "facerec_site.request_id.RequestIdMiddleware",
    "facerec_site.metrics.middleware.MetricsMiddleware",
    "facerec_site.content_security.ContentSecurityMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "facerec_site.health.HostMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "facerec_site.urls"
ASGI_APPLICATION = "facerec_site.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]


# A camera, a stream or a job belongs to one process. The process renews its lease every third of
# this time; if it does not, another process takes over after this time.
LEASE_S = env.float("LEASE_S", 15)


# A connection is opened anew after this time.
_CONNECTION_S = 60


def _database() -> dict:
    """The database of DATABASE_URL, or SQLite in VAR_DIR, with the options that keep data safe."""
    # Empty counts as unset: a compose file passes an unset variable on as an empty one.
    url = env.str("DATABASE_URL", "") or f"sqlite:///{VAR_DIR / 'facerec.sqlite3'}"
    config: dict = dict(env.db_url_config(url))
    options = config.setdefault("OPTIONS", {})
    # The threads of requests keep their connections for as long as they are busy. A database that
    # was restarted in between is noticed before the first query of a request.
    config |= {"CONN_MAX_AGE": _CONNECTION_S, "CONN_HEALTH_CHECKS": True}
    if config["ENGINE"].endswith("sqlite3"):
        # IMMEDIATE: two threads that read and then write would deadlock otherwise. FULL: a commit
        # is on the disk before it is acknowledged, so it survives a power cut.
        options |= {
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        }
    elif config["ENGINE"].endswith("mysql"):
        options |= {
            "charset": "utf8mb4",
            "isolation_level": "read committed",
            "init_command": "SET sql_mode='STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,"
            "ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE,NO_ZERO_IN_DATE'"
            # If the database combines two indexes, it loses the order of both and sorts the whole
            # list.
            ", optimizer_switch='index_merge_intersection=off'"
            # A paused process keeps its locks until MariaDB ends its transaction. MySQL cannot.
            f" /*M!100300 , idle_transaction_timeout = {math.ceil(LEASE_S)} */",
        }
        # If the host does not answer within 3 s, the request is answered 503.
        options["connect_timeout"] = int(options.get("connect_timeout", 3))
        config["ENGINE"] = "facerec_site.mysql"
        config["TEST"] = {"CHARSET": "utf8mb4", "COLLATION": "utf8mb4_unicode_ci"}
    return config


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.str("REDIS_URL", "")
if REDIS_URL:
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {
                "hosts": [
                    {
                        "address": REDIS_URL,
                        # channels_redis lets the server wait up to 5 s for a message. redis-py's
                        # default timeout of 5 s would end that wait just before the answer. A
                        # server that disappears without closing is noticed after this time.
                        "socket_timeout": 15,
                        "socket_connect_timeout": 5,
                        # Each open websocket uses one; the default of redis-py is 100.
                        "max_connections": 1000,
                    }
                ],
                "capacity": 500,
            },
        }
    }
    CACHES = {
        "default": {
            "BACKEND": "facerec_site.cache.SharedCache",
            "LOCATION": REDIS_URL,
            # Short, because requests wait for the cache.
            "OPTIONS": {
                "socket_timeout": 1,
                "socket_connect_timeout": 1,
                "max_connections": 1000,
            },
        }
    }
else:
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "accounts.backends.RoleBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = reverse_lazy("login")
LOGIN_REDIRECT_URL = reverse_lazy("live")
LOGOUT_REDIRECT_URL = reverse_lazy("login")

# Of the first administrator. Empty: a random password, shown once.
ADMIN_PASSWORD = env.str("ADMIN_PASSWORD", "")
# After this many failed sign-ins, a name is locked for one address. SIGN_IN_RATE limits how often
# one address may try any names: axes has only one limit for everything that it counts.
AXES_FAILURE_LIMIT = env.int("SIGN_IN_FAILURES", 10)
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
# Failures in a browser that the user has signed in with before are counted separately.
AXES_USERNAME_CALLABLE = "accounts.browsers.counted_name"
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_TEMPLATE = "registration/locked.html"
AXES_VERBOSE = False
# The admin needs no pages for locks: a lock ends after AXES_COOLOFF_TIME, or with `make password`.
AXES_ENABLE_ADMIN = False

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.permissions.HasScope"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_CLASSES": ["facerec_site.throttling.CallerRateThrottle"],
    "DEFAULT_THROTTLE_RATES": {
        "caller": env.str("API_RATE", "1200/min"),
        "sign_in": env.str("SIGN_IN_RATE", "60/min"),
    },
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "EXCEPTION_HANDLER": "facerec_site.errors.exception_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Facerec",
    "VERSION": "0.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["accounts.permissions.IsSignedIn"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "recognition.web.api.openapi.finish",
    ],
    "ENUM_NAME_OVERRIDES": {
        "CameraKindEnum": "recognition.cameras.sources.kind_choices",
        "JobKindEnum": "recognition.jobs.kinds.KINDS",
        "JobStateEnum": "recognition.jobs.models.Job.State",
        "TrainingRunStateEnum": "recognition.training.models.TrainingRun.State",
        "UploadStateEnum": "recognition.bulk.models.Upload.State",
        "CallerKindEnum": ["user", "key"],
    },
}

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = DEBUG
# Face images are personal data: there is no MEDIA_URL, and views that check permissions send them.
# Each database needs its own folder, because files that the database does not list are removed.
MEDIA_ROOT = Path(env.str("MEDIA_DIR", str(VAR_DIR / "media")))
# If its disk has less free space than this, no picture is written.
KEEP_FREE_BYTES = env.int("KEEP_FREE_MB", 64) * 2**20
# Snapshots of large galleries, shared by all processes that see the folder. 0: there are none.
GALLERY_SNAPSHOT_DIR = Path(env.str("GALLERY_SNAPSHOT_DIR", str(VAR_DIR / "snapshots")))
GALLERY_SNAPSHOT_FROM = env.int("GALLERY_SNAPSHOT_FROM", 0)
FILE_UPLOAD_PERMISSIONS, FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o600, 0o700
DATA_UPLOAD_MAX_MEMORY_SIZE = env.int("MAX_UPLOAD_MB", 64) * 2**20
# Limit on the bodies of all unanswered requests of one process together.
MAX_BODIES_MB = env.int("MAX_BODIES_MB", 512)

LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = "facerec_site.formats"
TIME_ZONE = env.str("TIME_ZONE", "UTC")
USE_TZ = True

# The fields of `ml_engine`'s EngineConfig.
WEIGHTS_DIR = Path(env.str("WEIGHTS_DIR", str(VAR_DIR / "weights")))
ENGINE = {
    "device": env.str("ENGINE_DEVICE", "auto"),
    "detector": env.str("ENGINE_DETECTOR", "mtcnn"),
    "threads": env.int("ENGINE_THREADS", 0),
    "max_queue": env.int("ENGINE_QUEUE", 64),
    "min_face_px": env.int("MIN_FACE_PX", 40),
}
# A function that returns the card of an embedder that is not in the zoo, given its version.
ENGINE_FIND_CARD = "recognition.people.model_files.card_of_version"
ENGINE_MODELS_IN_USE = "recognition.people.model_files.versions_in_use"
# How long a picture may wait for the engine before its caller is answered 503.
ENGINE_DEADLINE_S = env.int("ENGINE_DEADLINE_S", 30)
MAX_IMAGE_MB = env.int("MAX_IMAGE_MB", 32)
MAX_IMAGE_MEGAPIXELS = env.int("MAX_IMAGE_MEGAPIXELS", 64)
MAX_IMAGES_PER_REQUEST = env.int("MAX_IMAGES_PER_REQUEST", 100)
# Higher than that limit, so that the view can answer with a clear error. Django's own limit would
# only abort the request.
DATA_UPLOAD_MAX_NUMBER_FILES = 2 * MAX_IMAGES_PER_REQUEST

# Imports: the largest archive, and how long a report with its refused photos is kept.
MAX_IMPORT_GB = env.float("MAX_IMPORT_GB", 20)
IMPORTS_KEPT_DAYS = env.int("IMPORTS_KEPT_DAYS", 30)
# Folders with a folder of photos for each person, which administrators may train models on.
TRAINING_DATA_DIR = Path(env.str("TRAINING_DATA_DIR", str(VAR_DIR / "training_data")))
RECORDINGS_KEPT_DAYS = env.int("RECORDINGS_KEPT_DAYS", 30)

# After SIGTERM, running requests, open visits and the engine have this long to finish.
DRAIN_S = env.float("DRAIN_S", 25)

# Live
VIDEO_DIR = Path(env.str("VIDEO_DIR", str(VAR_DIR / "videos")))
# Where processes that play cameras receive ImageZMQ's request/reply.
IMAGEZMQ_BIND = env.str("IMAGEZMQ_BIND", "tcp://127.0.0.1:5555")
MAX_STREAMS = env.int("MAX_STREAMS", 16)
MAX_STREAMS_PER_CALLER = env.int("MAX_STREAMS_PER_CALLER", 4)
STREAM_IDLE_S = env.int("STREAM_IDLE_S", 60)
MAX_FRAME_BYTES = round(env.float("MAX_FRAME_MB", 4) * 2**20)
# A frame between MAX_FRAME_BYTES and this size is refused and its stream goes on. A larger one
# closes the socket.
MOST_FRAME_BYTES = 4 * MAX_FRAME_BYTES

# Network cameras
CAMERA_ALLOW_LOCAL = env.bool("CAMERA_ALLOW_LOCAL", False)
CAMERA_VERIFY_TLS = env.bool("CAMERA_VERIFY_TLS", False)
# Decode on a GPU, if there is one.
CAMERA_HARDWARE = env.bool("CAMERA_HARDWARE", True)

# Webhooks
WEBHOOK_ALLOW_INTERNAL = env.bool("WEBHOOK_ALLOW_INTERNAL", False)
# Time limit of one delivery, from resolving the host name to the first line of the answer.
WEBHOOK_LIMIT_S = env.float("WEBHOOK_LIMIT_S", 10)
# Pauses between the attempts to deliver one message. After the last attempt, 40 hours after the
# first, it is given up.
DELIVERY_RETRIES_S = [5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, 43200, 43200]
# If every attempt fails for this long, the webhook is switched off.
DELIVERY_OFF_AFTER_H = env.float("DELIVERY_OFF_AFTER_H", 120)
DELIVERIES_KEPT_DAYS = env.int("DELIVERIES_KEPT_DAYS", 30)

LOGGING = logging_config(env.str("LOG_FORMAT", "text"), env.str("LOG_LEVEL", "INFO"))
# Who may read /metrics: a program that sends this token. Empty: nobody.
METRICS_TOKEN = env.str("METRICS_TOKEN", "")
