"""Deploys, and how processes ended."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tasks", "0015_audit_and_permissions"),
    ]

    operations = [
        migrations.CreateModel(
            name="Deploy",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "number",
                    models.PositiveIntegerField(
                        help_text="Number of the deploy, from 1. It is unique: one process writes the deploy. Written by that process.",
                        unique=True,
                        verbose_name="number",
                    ),
                ),
                (
                    "version",
                    models.CharField(
                        help_text="Version of the code. A version that comes back has a deploy of its own. Written by the process.",
                        max_length=64,
                        verbose_name="version",
                    ),
                ),
                (
                    "at",
                    models.DateTimeField(
                        help_text="Time of the deploy, in UTC. Written by the process.", verbose_name="at"
                    ),
                ),
            ],
            options={
                "verbose_name": "deploy",
                "verbose_name_plural": "deploys",
                "ordering": ["-number"],
            },
        ),
        migrations.AddField(
            model_name="workerprocess",
            name="code_version",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Version of its code. Written by the process when it starts. Empty: it is not known.",
                max_length=64,
                verbose_name="code version",
            ),
        ),
        migrations.AddField(
            model_name="workerprocess",
            name="ended",
            field=models.CharField(
                blank=True,
                choices=[
                    ("stopped", "Stopped"),
                    ("recycled", "Replaced after its number of tasks"),
                    ("memory", "Replaced above its limit of memory"),
                    ("killed", "Killed from outside"),
                    ("oom", "Killed, as the machine had no memory left"),
                    ("crashed", "Crashed"),
                    ("silent", "Declared dead while it was silent"),
                ],
                db_default="",
                default="",
                help_text="How the process ended. Written by the process when it stops or by its supervisor if it died. Empty: it lives, or no supervisor saw its end.",
                max_length=10,
                verbose_name="ended",
            ),
        ),
        migrations.AddField(
            model_name="workerprocess",
            name="is_quiet",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Whether it takes no tasks, as an operator asked. Written by the worker with each heartbeat.",
                verbose_name="quiet",
            ),
        ),
        migrations.AddField(
            model_name="workerprocess",
            name="wanted",
            field=models.CharField(
                blank=True,
                choices=[("quiet", "Take nothing new"), ("stop", "Stop")],
                db_default="",
                default="",
                help_text="What an operator asked it to do. Written by staff. The worker reads it with each heartbeat. Empty: work.",
                max_length=10,
                verbose_name="wanted",
            ),
        ),
    ]
