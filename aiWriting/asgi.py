"""The ASGI entry point. The Procfile has its command line."""

import os

from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aiWriting.settings")

django_application = get_asgi_application()

from django.urls import reverse  # noqa: E402

from aiWriting.gate.gate import Gate  # noqa: E402

application = Gate(
    django_application,
    proxies=settings.TRUSTED_PROXIES,
    requests=settings.WEB_REQUESTS,
    per_client=settings.WEB_REQUESTS_PER_CLIENT,
    streams_per_client=settings.WEB_STREAMS_PER_CLIENT,
    probes=[reverse(name) for name in ("healthz", "readyz", "metrics", "scale")],
)
