"""Schedules of django-celery-beat, read and made ours. Neither it nor Celery needs to be installed."""
