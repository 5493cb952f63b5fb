"""The WSGI entry point: `gunicorn aiWriting.wsgi:application`. It is not for the open net.

The outermost layer, `aiWriting.gate`, is ASGI. Here nothing limits bodies before they are read, slow clients or
requests at once, and a task's events are one event a request. Put a proxy in front that limits all these, and let
Gunicorn's `--forwarded-allow-ips` name it.
"""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aiWriting.settings")

application = get_wsgi_application()
