"""The ASGI entry point. The Procfile has its command line."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aiWriting.settings")
#: Threads of requests are kept, and so are their connections.
os.environ.setdefault("DATABASE_CONN_MAX_AGE", "60")

django.setup(set_prefix=False)

from django.conf import settings  # noqa: E402
from django.urls import reverse  # noqa: E402

from aiWriting.gate.gate import Gate  # noqa: E402
from aiWriting.handler import Handler  # noqa: E402

application = Gate(
    Handler(kept=settings.WEB_REQUESTS),
    proxies=settings.TRUSTED_PROXIES,
    requests=settings.WEB_REQUESTS,
    per_client=settings.WEB_REQUESTS_PER_CLIENT,
    streams_per_client=settings.WEB_STREAMS_PER_CLIENT,
    probes=[reverse(name) for name in ("healthz", "readyz", "metrics", "scale")],
)
