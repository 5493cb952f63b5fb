"""Settings that the peers' Django projects share: the same database with the same options as ours."""

import os
from typing import Any

import dj_database_url


def databases() -> dict[str, dict[str, Any]]:
    """Return `DATABASES` for DATABASE_URL. Connections are kept from task to task."""
    default: dict[str, Any] = dict(dj_database_url.parse(os.environ["DATABASE_URL"], conn_max_age=60))
    if default["ENGINE"].endswith("sqlite3"):
        # As in our settings. With Django's defaults, workers often get "database is locked".
        default["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=20000;",
        }
    return {"default": default}


def ensure_notes() -> None:
    """Set Django up with the table of notes, for a sender that uses no Django otherwise."""
    import django
    from django.conf import settings
    from django.core.management import call_command

    if not settings.configured and "DJANGO_SETTINGS_MODULE" not in os.environ:
        settings.configure(DATABASES=databases(), INSTALLED_APPS=["benchmarks.notes"], USE_TZ=True)
        django.setup()
        call_command("migrate", run_syncdb=True, verbosity=0)
