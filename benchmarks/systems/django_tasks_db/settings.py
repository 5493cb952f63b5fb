"""Settings as in django-tasks-db's README, with kept connections."""

from benchmarks.systems.django_project import databases

SECRET_KEY = "benchmarks"
INSTALLED_APPS = ["django_tasks", "django_tasks_db", "benchmarks.notes"]
DATABASES = databases()
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
