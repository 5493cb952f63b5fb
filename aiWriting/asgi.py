"""The ASGI entry point: `uvicorn aiWriting.asgi:application`."""

import os

from django.conf import settings
from django.core.asgi import get_asgi_application

from aiWriting.body_limit import BodyLimit

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aiWriting.settings")

application = BodyLimit(get_asgi_application(), limit_bytes=settings.REQUEST_MAX_BYTES)
