"""aiWriting's settings. Everything that differs between machines comes from the environment."""

import sys
from importlib.util import find_spec
from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse_lazy

from aiWriting import environment, error_events, file_storage, log_filters, log_format
from aiWriting.admin_theme import UNFOLD as UNFOLD
from aiWriting.environment import BASE_DIR, VAR_DIR
from aiWriting.openapi.components import COMPONENTS
from apps.core.connections import POSTGRESQL_OPTIONS
from apps.tasks import states
from apps.tasks.conf import MOST_DAYS, Conf
from workers import middleware

# --- The process ---------------------------------------------------------------------------------

DEBUG = environment.boolean("DEBUG", False)
SECRET_KEY = environment.text("SECRET_KEY") or environment.read_secret("secret-key")
if not SECRET_KEY:
    raise ImproperlyConfigured("SECRET_KEY is not set. bin/run makes a secret file for it. Elsewhere set it yourself.")
#: Earlier keys. What was signed with them counts until it expires.
SECRET_KEY_FALLBACKS = environment.words("SECRET_KEY_FALLBACKS")

ALLOWED_HOSTS = environment.words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = environment.words("CSRF_TRUSTED_ORIGINS")
#: Networks of proxies that tell the address and the scheme of a client. The headers of all others are dropped.
TRUSTED_PROXIES = environment.networks("TRUSTED_PROXIES")

# Limits of a web process, held by aiWriting/gate.
#: Requests that are answered at once, each in a thread with a database connection. Others wait for 5 s at most.
WEB_REQUESTS = environment.integer("WEB_REQUESTS", 16, minimum=1)
#: Requests, bodies that arrive, event streams and connections of one client at once.
WEB_REQUESTS_PER_CLIENT = environment.integer("WEB_REQUESTS_PER_CLIENT", 64, minimum=1)
WEB_STREAMS_PER_CLIENT = environment.integer("WEB_STREAMS_PER_CLIENT", 100, minimum=1)
WEB_CONNECTIONS_PER_CLIENT = environment.integer("WEB_CONNECTIONS_PER_CLIENT", 256, minimum=1)
#: Connections of all clients at once.
WEB_CONNECTIONS = environment.integer("WEB_CONNECTIONS", 1_000, minimum=1)

INSTALLED_APPS = [
    "django_dramatiq",  # First: sets the broker before an app declares an actor.
    "unfold",
    "unfold.contrib.filters",
    "apps.core.late_admin.LateAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "apps.core",
    "apps.accounts",
    "apps.tasks",
    "apps.projects",
    "apps.documents",
    "apps.pages",
    "aiWriting",
    *environment.words("EXTRA_APPS"),
    "workers",  # Last: imports every app's tasks once all models exist.
]

MIDDLEWARE = [
    "apps.core.request_id.RequestIdMiddleware",  # First: the lines and the answers of all others have it.
    "aiWriting.http_headers.security_headers",  # Early: refusals of the others have the headers, too.
    "aiWriting.http_headers.ProgramsUseHTTPS",
    "django.middleware.security.SecurityMiddleware",
    "aiWriting.compression.StaticFiles",
    "aiWriting.compression.CompressedPages",
    "aiWriting.http_headers.no_store",  # After the static files, which may be kept.
    "django.contrib.sessions.middleware.SessionMiddleware",
    "aiWriting.known_hosts.KnownHosts",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "apps.accounts.second_factor.middleware.SecondFactorMiddleware",
    "apps.accounts.sessions.middleware.BrowserSessionMiddleware",
    "aiWriting.gate.known_users.UserMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "aiWriting.refused_values.RefusedValueMiddleware",
    "aiWriting.busy.BusyMiddleware",
]

ROOT_URLCONF = "aiWriting.urls"
ASGI_APPLICATION = "aiWriting.asgi.application"
WSGI_APPLICATION = "aiWriting.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "aiWriting" / "templates"],  # Before those of the admin's theme.
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

# --- HTTP ----------------------------------------------------------------------------------------

LOCAL_HOSTS = {"localhost", ".localhost", "127.0.0.1", "[::1]"}
#: Whether the site is reached over HTTPS alone. `bin/run` and developers have a local address without a certificate.
HTTPS = environment.boolean(
    # SECURE_COOKIES is the variable of earlier versions.
    "HTTPS",
    environment.boolean("SECURE_COOKIES", not DEBUG and not LOCAL_HOSTS.issuperset(ALLOWED_HOSTS)),
)
SECURE_SSL_REDIRECT = HTTPS
#: A platform's probes and Prometheus come over plain HTTP, past the proxy that has the certificate.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$", r"^scale$"]
SECURE_HSTS_SECONDS = environment.integer("HSTS_SECONDS", 365 * 24 * 3600) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = environment.boolean("HSTS_INCLUDE_SUBDOMAINS", True)
SECURE_HSTS_PRELOAD = environment.boolean("HSTS_PRELOAD", False)
#: Numbers of system checks whose risk is accepted. Being in the lists of browsers is for the domain's owner to decide.
SILENCED_SYSTEM_CHECKS = ["security.W021", *environment.words("SILENCED_SYSTEM_CHECKS")]

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "aiWriting.error_pages.form_without_token"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
if HTTPS:
    # With this prefix a browser takes the cookie only over HTTPS, and from no other host of the domain.
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
#: Days without a request after which a session ends. 0: none ends before its 14 days.
SESSION_IDLE_DAYS = environment.integer("SESSION_IDLE_DAYS", 7)
#: Not in a cookie of their own, which would lack the prefix.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
SECURE_REFERRER_POLICY = SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# --- Data ----------------------------------------------------------------------------------------

DATABASE_SCHEMES = ("sqlite", "postgres", "postgresql")
DATABASE_URL = environment.url("DATABASE_URL", f"sqlite:///{VAR_DIR / 'db.sqlite3'}", schemes=DATABASE_SCHEMES)
DATABASE_PREPARED_STATEMENTS = environment.boolean(
    "DATABASE_PREPARED_STATEMENTS", Conf.DATABASE_PREPARED_STATEMENTS.default
)
DATABASES: dict[str, dict[str, Any]] = {
    "default": dict(
        dj_database_url.parse(
            DATABASE_URL,
            conn_max_age=environment.integer("DATABASE_CONN_MAX_AGE", 0),
            conn_health_checks=True,
            # A pooler that cannot have the one cannot have the other either.
            disable_server_side_cursors=environment.boolean(
                "DATABASE_DISABLE_SERVER_SIDE_CURSORS", not DATABASE_PREPARED_STATEMENTS
            ),
        )
    )
}
if DATABASES["default"]["ENGINE"].endswith("postgresql"):
    if not (DATABASES["default"]["NAME"] or "service" in DATABASES["default"].get("OPTIONS", {})):
        raise ImproperlyConfigured("DATABASE_URL names no database: it ends with /NAME")
    # Those that DATABASE_URL names come first.
    DATABASES["default"]["OPTIONS"] = {**POSTGRESQL_OPTIONS, **DATABASES["default"].get("OPTIONS", {})}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Readers do not block the writer (WAL). A transaction takes the write lock at its start, so that none fails
    # half-way. A commit is on the disk when it returns (FULL).
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=20000;",
    }
    # A file: worker processes of the tests open the test database as well.
    DATABASES["default"]["TEST"] = {"NAME": str(VAR_DIR / "test.sqlite3")}

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["apps.accounts.sign_in.backend.ThrottledBackend"]
PASSWORD_HASHERS = [
    "apps.accounts.sign_in.hashing.Argon2Hasher",
    # Passwords from before it. Each is hashed anew when its user signs in.
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
    {"NAME": "apps.accounts.sign_in.password_length.MaximumLengthValidator"},
    {"NAME": "apps.accounts.sign_in.password_words.SiteWordsValidator"},
]
#: Seconds for which the link in a mail takes a new password.
PASSWORD_RESET_TIMEOUT = 3 * 3600
#: Whether staff may do anything without a second factor: offered (yes) or required (no).
STAFF_TWO_FACTOR = environment.choice("STAFF_TWO_FACTOR", known=("offered", "required")) or "offered"
TWO_FACTOR_URL = reverse_lazy("pages:two-factor")
OTP_TOTP_ISSUER = "aiWriting"
#: Attempts are limited in our rows, in which staff see and delete them.
OTP_TOTP_THROTTLE_FACTOR = 0
#: Origin of links in mails, such as https://writing.example.com. Empty: the host that the browser asked for.
PUBLIC_ORIGIN = environment.origin("PUBLIC_ORIGIN")
LOGIN_URL = reverse_lazy("pages:sign-in")

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
COLLECTED = BASE_DIR / "staticfiles"
# Platforms collect the static files. Elsewhere WhiteNoise serves them from the apps.
STATIC_ROOT = COLLECTED if COLLECTED.is_dir() or "collectstatic" in sys.argv else None
WHITENOISE_USE_FINDERS = True

# In the database by default, since web and worker processes may share no disk.
FILE_STORAGE_URL = environment.text("FILE_STORAGE_URL", "database:")
_file_storage = file_storage.backend(FILE_STORAGE_URL, name="FILE_STORAGE_URL")
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        # Names with hashes, which browsers keep for ever, and compressed files beside them.
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if STATIC_ROOT
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
    "manuscripts": _file_storage,
    "reports": _file_storage,
}

DEFAULT_FROM_EMAIL = environment.text("DEFAULT_FROM_EMAIL", "aiWriting <noreply@localhost>")
EMAIL_HOST = environment.text("EMAIL_HOST", "localhost")
EMAIL_PORT = environment.integer("EMAIL_PORT", 25, minimum=1, maximum=65535)
EMAIL_HOST_USER = environment.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = environment.text("EMAIL_HOST_PASSWORD")
# STARTTLS, or TLS from the first byte.
EMAIL_USE_TLS = environment.boolean("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = environment.boolean("EMAIL_USE_SSL", False)
if EMAIL_USE_TLS and EMAIL_USE_SSL:
    raise ImproperlyConfigured("EMAIL_USE_TLS and EMAIL_USE_SSL are both yes, and a server speaks one of the two.")
#: Seconds before a silent mail server fails the attempt. Without a limit it would hold a worker thread for ever.
EMAIL_TIMEOUT = environment.integer("EMAIL_TIMEOUT", 30, minimum=1)
#: First part of the subject of mails to those who run the site.
EMAIL_SUBJECT_PREFIX = "[aiWriting] "
# Without a server, mails go to the log.
EMAIL_BACKEND = environment.text(
    "EMAIL_BACKEND",
    f"django.core.mail.backends.{'smtp' if environment.text('EMAIL_HOST') else 'console'}.EmailBackend",
)

# --- Tasks ---------------------------------------------------------------------------------------

REDIS_SCHEMES = ("redis", "rediss", "unix")
REDIS_URL = environment.url(
    "REDIS_URL", environment.read_secret("redis-url") or "redis://127.0.0.1:6379/0", schemes=REDIS_SCHEMES
)
if REDIS_URL.startswith("rediss:"):
    # Variables of their own, since some platforms own the URL.
    REDIS_URL = environment.with_query(
        REDIS_URL,
        {
            "ssl_cert_reqs": environment.choice("REDIS_SSL_CERT_REQS", known=("none", "optional", "required")),
            "ssl_check_hostname": environment.choice("REDIS_SSL_CHECK_HOSTNAME", known=("yes", "no")),
            "ssl_ca_certs": environment.file("REDIS_SSL_CA_CERTS"),
            "ssl_certfile": environment.file("REDIS_SSL_CERTFILE"),
            "ssl_keyfile": environment.file("REDIS_SSL_KEYFILE"),
        },
    )
environment.check_redis_options("REDIS_URL", REDIS_URL)
#: First part of every key in Redis.
DRAMATIQ_NAMESPACE = environment.text("DRAMATIQ_NAMESPACE", "aiwriting")

DRAMATIQ_ENCODER = "workers.sending.encoder.CompactJSONEncoder"
DRAMATIQ_BROKER = {
    "BROKER": "workers.broker.LedgerBroker",
    "OPTIONS": {"url": REDIS_URL, "namespace": DRAMATIQ_NAMESPACE},
    "MIDDLEWARE": [*middleware.DEFAULT[:-1], "apps.documents.cage_notice.CageNotice", middleware.DEFAULT[-1]],
}
DRAMATIQ_RESULT_BACKEND = {
    "BACKEND": "apps.tasks.results.RowBackend",
    "MIDDLEWARE_OPTIONS": {"store_results": True},
}
DRAMATIQ_AUTODISCOVER_MODULES = ["tasks"]
#: Its actor cleans up rows that we do not have.
DRAMATIQ_IGNORED_MODULES = ["django_dramatiq.tasks"]

#: Queues that actors may name. Apps of EXTRA_APPS bring those of EXTRA_QUEUES.
TASK_QUEUES: dict[str, dict[str, Any]] = {
    "default": {"description": "Reports and work that takes seconds."},
    "mail": {"description": "All mail, so that it can be paused by itself."},
    "documents": {"description": "Reading and analysing manuscripts.", "max_waiting": 20_000},
    **{name: {} for name in environment.words("EXTRA_QUEUES")},
}
#: Django's Tasks API, for apps that bring tasks of it (docs/django-tasks.md).
TASKS = {"default": {"BACKEND": "workers.django_tasks.LedgerBackend", "QUEUES": list(TASK_QUEUES)}}
#: `manage.py test` runs pytest.
TEST_RUNNER = "tests.runner.PytestRunner"

# Their meanings, units and defaults are in apps/tasks/conf.py.
TASK_EAGER = environment.boolean("TASK_EAGER", Conf.TASK_EAGER.default)
TASK_FAST_PATH = environment.boolean("TASK_FAST_PATH", Conf.TASK_FAST_PATH.default)
TASK_MAX_ARGUMENT_BYTES = environment.integer(
    "TASK_MAX_ARGUMENT_BYTES", Conf.TASK_MAX_ARGUMENT_BYTES.default, minimum=1_000
)
TASK_MASKED_NAMES = environment.words("TASK_MASKED_NAMES", ",".join(Conf.TASK_MASKED_NAMES.default))
TASK_LOG_LINES = environment.integer("TASK_LOG_LINES", Conf.TASK_LOG_LINES.default, maximum=100_000)
TASK_LOG_LEVEL = environment.text("TASK_LOG_LEVEL", Conf.TASK_LOG_LEVEL.default)
TASK_EVENT_STREAMS = environment.integer("TASK_EVENT_STREAMS", Conf.TASK_EVENT_STREAMS.default)
TASK_MAX_CRASHES = environment.integer("TASK_MAX_CRASHES", Conf.TASK_MAX_CRASHES.default, minimum=1)
TASK_KEEP_COMPLETED_DAYS = environment.integer(
    "TASK_KEEP_COMPLETED_DAYS", Conf.TASK_KEEP_COMPLETED_DAYS.default, maximum=MOST_DAYS
)
TASK_KEEP_CANCELLED_DAYS = environment.integer(
    "TASK_KEEP_CANCELLED_DAYS", Conf.TASK_KEEP_CANCELLED_DAYS.default, maximum=MOST_DAYS
)
TASK_KEEP_FAILED_DAYS = environment.integer(
    "TASK_KEEP_FAILED_DAYS", Conf.TASK_KEEP_FAILED_DAYS.default, maximum=MOST_DAYS
)
TASK_KEEP_ALERTS_DAYS = environment.integer(
    "TASK_KEEP_ALERTS_DAYS", Conf.TASK_KEEP_ALERTS_DAYS.default, maximum=MOST_DAYS
)
TASK_ALERT_EMAILS = environment.words("TASK_ALERT_EMAILS")
TASK_ALERT_WEBHOOK = environment.text("TASK_ALERT_WEBHOOK") and environment.url(
    "TASK_ALERT_WEBHOOK", "", schemes=("https", "http")
)
TASK_ALERT_SECRET = environment.text("TASK_ALERT_SECRET")
TASK_ALERT_NETWORKS = environment.networks("TASK_ALERT_NETWORKS")
TASK_ALERT_ORIGIN = environment.text("TASK_ALERT_ORIGIN", PUBLIC_ORIGIN)
TASK_RESULT_EXPIRES_DAYS = environment.integer(
    "TASK_RESULT_EXPIRES_DAYS", Conf.TASK_RESULT_EXPIRES_DAYS.default, maximum=MOST_DAYS
)
TASK_KEEP_AUDIT_DAYS = environment.integer("TASK_KEEP_AUDIT_DAYS", Conf.TASK_KEEP_AUDIT_DAYS.default, maximum=MOST_DAYS)
WORKER_PROCESSES = environment.integer("WORKER_PROCESSES", Conf.WORKER_PROCESSES.default, minimum=1, maximum=256)
WORKER_THREADS = environment.integer("WORKER_THREADS", Conf.WORKER_THREADS.default, minimum=1, maximum=256)
WORKER_ASYNC_TASKS = environment.integer("WORKER_ASYNC_TASKS", Conf.WORKER_ASYNC_TASKS.default, maximum=10_000)
WORKER_ISOLATED = environment.integer("WORKER_ISOLATED", Conf.WORKER_ISOLATED.default)
WORKER_DRAIN_SECONDS = environment.integer("WORKER_DRAIN_SECONDS", Conf.WORKER_DRAIN_SECONDS.default)
WORKER_MAX_TASKS = environment.integer("WORKER_MAX_TASKS", Conf.WORKER_MAX_TASKS.default)
WORKER_MAX_MEMORY_MB = environment.integer("WORKER_MAX_MEMORY_MB", Conf.WORKER_MAX_MEMORY_MB.default)
WORKER_STALL_SECONDS = environment.integer("WORKER_STALL_SECONDS", Conf.WORKER_STALL_SECONDS.default, minimum=1)
WORKER_HEARTBEAT_TIMEOUT_SECONDS = environment.integer(
    "WORKER_HEARTBEAT_TIMEOUT_SECONDS", Conf.WORKER_HEARTBEAT_TIMEOUT_SECONDS.default, minimum=2
)
CODE_VERSION = environment.text("CODE_VERSION", Conf.CODE_VERSION.default)
HEALTH_TOKEN = environment.text("HEALTH_TOKEN", Conf.HEALTH_TOKEN.default)
METRICS_TOKEN = environment.text("METRICS_TOKEN", Conf.METRICS_TOKEN.default)
METRICS_NETWORKS = environment.networks("METRICS_NETWORKS")
SCALE_WAIT_SECONDS = environment.integer("SCALE_WAIT_SECONDS", Conf.SCALE_WAIT_SECONDS.default, minimum=1)
SCHEDULE_HISTORY_DAYS = environment.integer(
    "SCHEDULE_HISTORY_DAYS", Conf.SCHEDULE_HISTORY_DAYS.default, minimum=1, maximum=MOST_DAYS
)
SCHEDULE_HISTORY_COUNT = environment.integer("SCHEDULE_HISTORY_COUNT", Conf.SCHEDULE_HISTORY_COUNT.default, minimum=1)
SCHEDULER_CLOCK_SPEED = environment.integer(
    "SCHEDULER_CLOCK_SPEED", Conf.SCHEDULER_CLOCK_SPEED.default, minimum=1, maximum=3600
)
SCHEDULER_CLOCK_START = environment.timestamp("SCHEDULER_CLOCK_START", Conf.SCHEDULER_CLOCK_START.default)

# --- Documents -----------------------------------------------------------------------------------

DOCUMENT_MAX_UPLOAD_BYTES = environment.integer("DOCUMENT_MAX_UPLOAD_BYTES", 50 * 1024 * 1024, minimum=1)
#: Bytes of all parts of a packed file (docx, odt, epub) together, and how that may compare with the file's size.
DOCUMENT_MAX_UNPACKED_BYTES = environment.integer("DOCUMENT_MAX_UNPACKED_BYTES", 256 * 1024 * 1024, minimum=1)
DOCUMENT_MAX_UNPACKED_RATIO = environment.integer("DOCUMENT_MAX_UNPACKED_RATIO", 100, minimum=1)
#: Files in a packed file, and pages of a PDF.
DOCUMENT_MAX_PARTS = environment.integer("DOCUMENT_MAX_PARTS", 10_000, minimum=1)
DOCUMENT_MAX_PAGES = environment.integer("DOCUMENT_MAX_PAGES", 5_000, minimum=1)
#: Seconds for reading a file, and memory of the process that reads it.
DOCUMENT_MAX_READING_SECONDS = environment.integer("DOCUMENT_MAX_READING_SECONDS", 300, minimum=1)
DOCUMENT_MAX_READING_MEMORY_BYTES = environment.integer(
    "DOCUMENT_MAX_READING_MEMORY_BYTES", 512 * 1024 * 1024, minimum=64 * 1024 * 1024
)
#: Files that a machine reads at once, in all its processes. 0: as many as half of its memory has room for.
READERS_AT_ONCE = environment.integer("READERS_AT_ONCE", 0)
#: Whether files are read if the cage of that process is incomplete: "best", or "required" (they are not).
READER_CAGE = environment.choice("READER_CAGE", known=("best", "required")) or "best"
# Limit of a form's fields, which are held in memory before their sender is known.
DATA_UPLOAD_MAX_MEMORY_SIZE = DOCUMENT_MAX_UPLOAD_BYTES + 64 * 1024
#: Limit of any request's body. Views take less, and their refusals say more.
REQUEST_MAX_BYTES = 6 * DOCUMENT_MAX_UPLOAD_BYTES + 64 * 1024
READING_WORDS_PER_MINUTE = environment.integer("READING_WORDS_PER_MINUTE", 230, minimum=1)
#: Reports kept of each project, the newest ones.
REPORTS_KEPT = environment.integer("REPORTS_KEPT", 5, minimum=1)

# --- Quotas --------------------------------------------------------------------------------------

# Limits of each user. 0: no limit. Staff raise them for a user in the admin.
#: Megabytes of all manuscripts in a user's projects, and their number.
QUOTA_STORED_MEGABYTES = environment.integer("QUOTA_STORED_MEGABYTES", 1024)
QUOTA_DOCUMENTS = environment.integer("QUOTA_DOCUMENTS", 5_000)
QUOTA_PROJECTS = environment.integer("QUOTA_PROJECTS", 500)
QUOTA_UPLOADS_A_MINUTE = environment.integer("QUOTA_UPLOADS_A_MINUTE", 300)
#: Tasks that a user started and that wait or run.
QUOTA_TASKS = environment.integer("QUOTA_TASKS", 1_000)
QUOTA_REPORTS_AN_HOUR = environment.integer("QUOTA_REPORTS_AN_HOUR", 60)
#: Reports kept of all projects of a user, besides the newest one of each project.
QUOTA_REPORTS_KEPT = environment.integer("QUOTA_REPORTS_KEPT", 200)

# --- API -----------------------------------------------------------------------------------------

#: Days that an API token lives unless its maker names others, and the most that may be named.
API_TOKEN_MAX_DAYS = environment.integer("API_TOKEN_MAX_DAYS", 365, minimum=1, maximum=36_500)
API_TOKEN_DAYS = environment.integer(
    "API_TOKEN_DAYS", min(90, API_TOKEN_MAX_DAYS), minimum=1, maximum=API_TOKEN_MAX_DAYS
)
API_TOKENS_PER_USER = environment.integer("API_TOKENS_PER_USER", 20, minimum=1)

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "apps.accounts.tokens.authentication.ApiTokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PAGINATION_CLASS": "apps.core.api.pages.Pages",
    "DEFAULT_PARSER_CLASSES": [
        "apps.core.api.formats.JSONParser",
        "rest_framework.parsers.FormParser",
        "rest_framework.parsers.MultiPartParser",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "apps.core.api.formats.AlwaysJSON",
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "apps.core.api.errors.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "DEFAULT_SCHEMA_CLASS": "aiWriting.openapi.operation.Operation",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "aiWriting",
    "DESCRIPTION": (
        "Projects, documents and tasks of writers. Times are in UTC, as ISO 8601 texts. "
        "A POST that starts work answers 202 with a task, which tells its progress and its result."
    ),
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api/",
    "APPEND_COMPONENTS": COMPONENTS,
    "ENUM_NAME_OVERRIDES": {
        "TaskState": list(states.STATES),
        "DocumentStatus": "apps.documents.models.Document.Status",
        "TokenScope": "apps.accounts.tokens.model.ApiToken.Scope",
    },
    "SERVE_INCLUDE_SCHEMA": False,
    "DISABLE_ERRORS_AND_WARNINGS": False,
    "ENABLE_DJANGO_DEPLOY_CHECK": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "PREPROCESSING_HOOKS": ["aiWriting.openapi.description.api_alone"],
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums"],
}

# --- Logs ----------------------------------------------------------------------------------------

DEFAULT_EXCEPTION_REPORTER_FILTER = "aiWriting.error_report.SecretsFilter"

#: Where errors go besides the log.
SENTRY_DSN = environment.text("SENTRY_DSN")
if SENTRY_DSN:
    error_events.send_to(SENTRY_DSN)
    DRAMATIQ_BROKER["MIDDLEWARE"] = [error_events.MIDDLEWARE, *DRAMATIQ_BROKER["MIDDLEWARE"]]

# Spans for OpenTelemetry, if it is installed. They go where the process's provider says, without one nowhere.
if find_spec("opentelemetry") and find_spec("opentelemetry.sdk"):
    DRAMATIQ_BROKER["MIDDLEWARE"] = ["workers.middleware.tracing.Tracing", *DRAMATIQ_BROKER["MIDDLEWARE"]]

LOG_LEVEL = environment.text("LOG_LEVEL", "INFO").upper()
#: Form of the lines. A terminal gets short ones, unless this says otherwise.
LOG_FORMAT = environment.choice("LOG_FORMAT", known=tuple(log_format.FORMATTERS)) or log_format.default()
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "class": f"aiWriting.log_format.{log_format.FORMATTERS[LOG_FORMAT].__name__}",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
        }
    },
    "filters": {
        "context": {"()": "apps.tasks.log_context.LogContext"},
        "requests": {"()": "aiWriting.request_log.RequestFields"},
        "refusals": {"()": "django.utils.log.CallbackFilter", "callback": log_filters.drop_tracebacks_of_refusals},
        "addresses": {"()": "django.utils.log.CallbackFilter", "callback": log_filters.hide_secrets_of_addresses},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["requests", "refusals", "addresses", "context"],
            "stream": sys.stderr,
        }
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "apscheduler": {"level": "WARNING"},
        # Each failure is in the row and in a log line of ours.
        "dramatiq": {"level": "WARNING"},
        "django_tasks": {"level": "WARNING"},
        "django.tasks": {"level": "WARNING"},
        # Without handlers of their own: their lines have the form of ours. The command line tells their level.
        **{name: {"propagate": True} for name in ("uvicorn", "uvicorn.access", "uvicorn.error", "uvicorn.asgi")},
    },
}
