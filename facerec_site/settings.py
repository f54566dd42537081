"""Settings, all of them, read from the environment (and `.env`) here and nowhere else.

Every variable is listed with its meaning in `.env.example`.
"""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.urls import reverse_lazy

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
env.read_env(env.str("ENV_FILE", str(BASE_DIR / ".env")))

# Everything that the running site writes lives below this one folder.
VAR_DIR = Path(env.str("FACEREC_VAR", str(BASE_DIR / "var"))).resolve()
DEBUG = env.bool("DEBUG", False)


def _write_secret_key(path: Path) -> None:
    """Written beside and linked: of several processes that start at once, all read the same key."""
    from django.core.management.utils import get_random_secret_key

    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"secret_key.{os.getpid()}")
    beside.touch(mode=0o600)
    beside.write_text(get_random_secret_key() + get_random_secret_key())
    with suppress(FileExistsError):
        path.hardlink_to(beside)
    beside.unlink()


def _secret_key() -> str:
    """The key from the environment, or one made once and kept readable by the owner alone."""
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
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("TRUSTED_ORIGINS", default=[])
CSRF_FAILURE_VIEW = "facerec_site.errors.csrf_failure"
# Cookies and redirects follow what the site is served as.
HTTPS = env.bool("HTTPS", False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = env.bool("HTTPS_REDIRECT", False)
SECURE_REDIRECT_EXEMPT = [r"^health/"]
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", 0)
# HSTS for subdomains and for the browsers' preload list reaches beyond this host: not ours to set.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_PROXY", False) else None
)
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"

INSTALLED_APPS = [
    "daphne",
    # Before Unfold and the admin: the start page of the admin is ours.
    "recognition.web",
    "recognition.notices",
    "recognition.jobs",
    "recognition.people",
    "recognition.bulk",
    "recognition.cameras",
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


# Cameras, streams and jobs belong to one process, which renews its lease each third of this time;
# if it does not, another process takes over when the time has passed.
LEASE_S = env.float("LEASE_S", 15)


def _database() -> dict:
    """SQLite below VAR_DIR, or what DATABASE_URL names; with what each needs to be safe."""
    # Empty counts as unset: that is what a compose file makes of a variable that is not there.
    url = env.str("DATABASE_URL", "") or f"sqlite:///{VAR_DIR / 'facerec.sqlite3'}"
    config: dict = dict(env.db_url_config(url))
    options = config.setdefault("OPTIONS", {})
    if config["ENGINE"].endswith("sqlite3"):
        # Without IMMEDIATE, two threads that read and then write deadlock. FULL: an acknowledged
        # commit is on the disk, and survives a power cut.
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
            # Two indexes at once lose the order of each: a list would be sorted as a whole.
            ", optimizer_switch='index_merge_intersection=off'"
            # A paused process would keep its locks: MariaDB ends the transaction. MySQL cannot.
            f" /*M!100300 , idle_transaction_timeout = {math.ceil(LEASE_S)} */",
        }
        # A host that does not answer is the same as one that refuses: a request is answered 503.
        options.setdefault("connect_timeout", 3)
        # No persistent connections: under ASGI each request has a thread of its own, and its
        # connection would outlive it without ever being used again.
        config["CONN_MAX_AGE"] = 0
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
                        # channels_redis lets the server wait 5 s for a message, so an empty answer
                        # takes 5 s: a limit of 5 s, redis-py's default, cuts it off. A server that
                        # vanished without a word is noticed after this time.
                        "socket_timeout": 15,
                        "socket_connect_timeout": 5,
                        # Each socket that opens takes one; redis-py refuses more than 100.
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
            # A request waits for it.
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

# For the first administrator; empty: a random one, shown once.
ADMIN_PASSWORD = env.str("ADMIN_PASSWORD", "")
# Sign-in: a name is locked for one address after so many failures. What one address may try of all
# names is SIGN_IN_RATE: axes has one limit for all that it counts.
AXES_FAILURE_LIMIT = env.int("SIGN_IN_FAILURES", 10)
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
# A browser that the user has signed in with before has a count of its own.
AXES_USERNAME_CALLABLE = "accounts.browsers.counted_name"
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_TEMPLATE = "registration/locked.html"
AXES_VERBOSE = False
# A lock ends by itself, and `make password` lifts it.
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
        "CallerKindEnum": ["user", "key"],
    },
}

# The colour of the pages, from light to dark.
_PRIMARY = {
    "50": "oklch(97.4% .014 277)",
    "100": "oklch(94.5% .030 277)",
    "200": "oklch(88.9% .060 277)",
    "300": "oklch(80.5% .105 277)",
    "400": "oklch(70.0% .150 276)",
    "500": "oklch(60.0% .190 274)",
    "600": "oklch(52.5% .215 272)",
    "700": "oklch(46.0% .200 272)",
    "800": "oklch(39.0% .165 272)",
    "900": "oklch(33.5% .125 272)",
    "950": "oklch(25.0% .090 272)",
}
UNFOLD = {
    "SITE_TITLE": "Facerec",
    "SITE_HEADER": "Facerec",
    "SITE_ICON": lambda request: static("web/logo.svg"),
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("web/logo.svg"),
        }
    ],
    "COLORS": {"primary": _PRIMARY},
    "SHOW_HISTORY": False,
    "STYLES": [lambda request: static("web/admin.css")],
    "DASHBOARD_CALLBACK": "recognition.events.admin.dashboard.dashboard",
    "SIDEBAR": {
        "show_search": False,
        "navigation": "recognition.events.admin.dashboard.navigation",
    },
}

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = DEBUG
# Face images are personal data: no MEDIA_URL, every file goes through an authorised view.
# One folder for one database: what the database does not name is swept away.
MEDIA_ROOT = Path(env.str("MEDIA_DIR", str(VAR_DIR / "media")))
# With less room than this on its disk, no picture is written.
KEEP_FREE_BYTES = env.int("KEEP_FREE_MB", 64) * 2**20
FILE_UPLOAD_PERMISSIONS, FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o600, 0o700
DATA_UPLOAD_MAX_MEMORY_SIZE = env.int("MAX_UPLOAD_MB", 64) * 2**20
# Bodies of all requests that are under way in one process.
MAX_BODIES_MB = env.int("MAX_BODIES_MB", 512)

LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = "facerec_site.formats"
TIME_ZONE = env.str("TIME_ZONE", "UTC")
USE_TZ = True

# The engine, handed to `ml_engine` as its config.
WEIGHTS_DIR = Path(env.str("WEIGHTS_DIR", str(VAR_DIR / "weights")))
ENGINE = {
    "device": env.str("ENGINE_DEVICE", "auto"),
    "detector": env.str("ENGINE_DETECTOR", "mtcnn"),
    "threads": env.int("ENGINE_THREADS", 0),
    "max_queue": env.int("ENGINE_QUEUE", 64),
    "min_face_px": env.int("MIN_FACE_PX", 40),
}
# Gives the engine the card of an embedder that is not in the zoo, by its version.
ENGINE_FIND_CARD = "recognition.people.model_files.card_of_version"
# How long a picture may wait for the engine before its caller is answered 503.
ENGINE_DEADLINE_S = env.int("ENGINE_DEADLINE_S", 30)
MAX_IMAGE_MB = env.int("MAX_IMAGE_MB", 32)
MAX_IMAGE_MEGAPIXELS = env.int("MAX_IMAGE_MEGAPIXELS", 64)
MAX_IMAGES_PER_REQUEST = env.int("MAX_IMAGES_PER_REQUEST", 100)
# Above it, so that a view says what was too many; Django itself only breaks off.
DATA_UPLOAD_MAX_NUMBER_FILES = 2 * MAX_IMAGES_PER_REQUEST

# Imports: the largest archive, and how long a report with its refused photos is kept.
MAX_IMPORT_GB = env.float("MAX_IMPORT_GB", 20)
IMPORTS_KEPT_DAYS = env.int("IMPORTS_KEPT_DAYS", 30)
RECORDINGS_KEPT_DAYS = env.int("RECORDINGS_KEPT_DAYS", 30)

# On SIGTERM: how long requests that run, visits and the engine have to end.
DRAIN_S = env.float("DRAIN_S", 25)

# Live
VIDEO_DIR = Path(env.str("VIDEO_DIR", str(VAR_DIR / "videos")))
# Where processes that play cameras receive ImageZMQ's request/reply.
IMAGEZMQ_BIND = env.str("IMAGEZMQ_BIND", "tcp://127.0.0.1:5555")
MAX_STREAMS = env.int("MAX_STREAMS", 16)
MAX_STREAMS_PER_CALLER = env.int("MAX_STREAMS_PER_CALLER", 4)
STREAM_IDLE_S = env.int("STREAM_IDLE_S", 60)
MAX_FRAME_BYTES = round(env.float("MAX_FRAME_MB", 4) * 2**20)
# Up to here a frame that is too large is answered, and its stream goes on.
MOST_FRAME_BYTES = 4 * MAX_FRAME_BYTES

# Webhooks
WEBHOOK_ALLOW_INTERNAL = env.bool("WEBHOOK_ALLOW_INTERNAL", False)
# From resolving the name to the answer's first line.
WEBHOOK_LIMIT_S = env.float("WEBHOOK_LIMIT_S", 10)
# Pauses between the attempts of one message: after the last one it is given up, 40 hours later.
DELIVERY_RETRIES_S = [5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, 43200, 43200]
# A webhook whose every attempt failed for so long is switched off.
DELIVERY_OFF_AFTER_H = env.float("DELIVERY_OFF_AFTER_H", 120)
DELIVERIES_KEPT_DAYS = env.int("DELIVERIES_KEPT_DAYS", 30)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", "INFO")},
    "loggers": {
        name: {"level": "WARNING"}
        for name in ("daphne", "django.channels.server", "axes", "faiss", "tensorflow")
    },
}
