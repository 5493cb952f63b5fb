"""Settings as in django-dramatiq's README, without Prometheus and with kept connections."""

import os

from benchmarks.systems.django_project import databases

SECRET_KEY = "benchmarks"
INSTALLED_APPS = ["django_dramatiq", "benchmarks.notes", "benchmarks.systems.admin_middleware"]
DATABASES = databases()
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
DRAMATIQ_BROKER = {
    "BROKER": "dramatiq.brokers.redis.RedisBroker",
    "OPTIONS": {"url": os.environ["REDIS_URL"]},
    "MIDDLEWARE": [
        "dramatiq.middleware.AgeLimit",
        "dramatiq.middleware.TimeLimit",
        "dramatiq.middleware.Callbacks",
        "dramatiq.middleware.Retries",
        "django_dramatiq.middleware.DbConnectionsMiddleware",
        "django_dramatiq.middleware.AdminMiddleware",
    ],
}
