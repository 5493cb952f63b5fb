"""The WSGI entry point: `gunicorn aiWriting.wsgi:application`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aiWriting.settings")

application = get_wsgi_application()
