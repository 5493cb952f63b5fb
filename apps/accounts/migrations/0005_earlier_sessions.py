"""Record the sessions of earlier versions. Sessions without a record are neither shown to their users nor ended."""

from importlib import import_module

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.db import migrations
from django.utils import timezone


def record(apps, schema_editor):
    using = schema_editor.connection.alias
    BrowserSession = apps.get_model("accounts", "BrowserSession")
    users = set(apps.get_model("accounts", "User").objects.using(using).values_list("pk", flat=True))
    decode = import_module(settings.SESSION_ENGINE).SessionStore().decode
    now = timezone.now()
    sessions = apps.get_model("sessions", "Session").objects.using(using)
    for session in list(sessions.filter(expire_date__gt=now, browser_session=None)):
        user_key = str(decode(session.session_data).get(SESSION_KEY, ""))
        if user_key.isdecimal() and int(user_key) in users:
            BrowserSession.objects.using(using).create(session=session, user_id=int(user_key), seen_at=now)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_quotas"),
        ("sessions", "0001_initial"),
    ]

    operations = [migrations.RunPython(record, migrations.RunPython.noop)]
