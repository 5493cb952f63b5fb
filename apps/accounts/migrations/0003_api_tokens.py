"""Make the table of API tokens, and take over the tokens of REST framework as digests.

Earlier tokens go on working for 90 days. Their table, which has them in clear text, is dropped.
"""

import hashlib
from datetime import timedelta

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

OLD_TABLE = "authtoken_token"
DAYS = 90


def take_over(apps, schema_editor):
    connection = schema_editor.connection
    if OLD_TABLE in connection.introspection.table_names():
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT key, user_id FROM {OLD_TABLE}")  # noqa: S608
            old = cursor.fetchall()
        ApiToken = apps.get_model("accounts", "ApiToken")
        ApiToken.objects.using(connection.alias).bulk_create(
            ApiToken(
                user_id=user_id,
                name="Token from before names",
                scope="write",
                digest=hashlib.sha256(key.encode()).hexdigest(),
                start=key[:4],
                expires_at=timezone.now() + timedelta(days=DAYS),
            )
            for key, user_id in old
        )
        schema_editor.execute(f"DROP TABLE {OLD_TABLE}")
    # A project that installs REST framework's tokens again gets a new table.
    MigrationRecorder(connection).migration_qs.filter(app="authtoken").delete()


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_sign_in_and_sessions"),
    ]

    operations = [
        migrations.CreateModel(
            name="ApiToken",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "created_at",
                    models.DateTimeField(
                        auto_now_add=True, help_text="Time of the insert, in UTC. Written once, by Django."
                    ),
                ),
                (
                    "updated_at",
                    models.DateTimeField(
                        auto_now=True,
                        help_text="Time of the last write, in UTC. Written by Django on save, and by every update.",
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        help_text="Program or purpose, in the owner's words. Written when the token is made.",
                        max_length=100,
                    ),
                ),
                (
                    "scope",
                    models.CharField(
                        choices=[("read", "Read"), ("write", "Read and write")],
                        help_text="Whether the token may change data, or only read it. Written when the token is made.",
                        max_length=10,
                    ),
                ),
                (
                    "digest",
                    models.CharField(
                        help_text="SHA-256 of the secret, which is stored nowhere. Written when the token is made.",
                        max_length=64,
                        unique=True,
                    ),
                ),
                (
                    "start",
                    models.CharField(
                        help_text="First characters of the secret, for recognition. Written when the token is made.",
                        max_length=8,
                    ),
                ),
                (
                    "is_from_password",
                    models.BooleanField(
                        default=False,
                        help_text="Whether a program got the token for name and password. Written when the token is made.",
                    ),
                ),
                (
                    "expires_at",
                    models.DateTimeField(
                        help_text="Time from which the token is refused, in UTC. Written when the token is made."
                    ),
                ),
                (
                    "last_used_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="Time of a recent use, up to an hour before the last one. Written by a request. Null: never used.",
                        null=True,
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        help_text="User as whom a program signs in. Written when the token is made.",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="api_tokens",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "API token",
            },
        ),
        migrations.RunPython(take_over, migrations.RunPython.noop),
    ]
