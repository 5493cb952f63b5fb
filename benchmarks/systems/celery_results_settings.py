"""Settings as in the documentation of django-celery-results, with kept connections: its fastest variant."""

import os

from benchmarks.systems.django_project import databases

SECRET_KEY = "benchmarks"
INSTALLED_APPS = ["django_celery_results", "benchmarks.notes"]
DATABASES = databases()
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
CELERY_BROKER_URL = os.environ["REDIS_URL"]
CELERY_RESULT_BACKEND = "django-db"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
