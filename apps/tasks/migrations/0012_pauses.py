"""Pauses of queues and actors."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tasks", "0011_indexes_of_figures"),
    ]

    operations = [
        migrations.CreateModel(
            name="Pause",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[("queue", "Queue"), ("actor", "Actor")],
                        help_text="Queue or actor. Written by staff who pause it.",
                        max_length=20,
                        verbose_name="kind",
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        help_text="Name of the queue or actor. Written by staff who pause it.",
                        max_length=255,
                        verbose_name="name",
                    ),
                ),
                (
                    "since",
                    models.DateTimeField(
                        help_text="Time from which its tasks wait, in UTC. Written by the database when it is paused.",
                        verbose_name="since",
                    ),
                ),
                (
                    "by",
                    models.CharField(
                        blank=True,
                        help_text="User who paused it, or the system user of the terminal. Written by staff who pause it.",
                        max_length=255,
                        verbose_name="by",
                    ),
                ),
                (
                    "why",
                    models.CharField(
                        blank=True,
                        help_text="Reason, for others. Written by staff who pause it.",
                        max_length=500,
                        verbose_name="why",
                    ),
                ),
            ],
            options={
                "verbose_name": "pause",
                "verbose_name_plural": "pauses",
                "ordering": ["kind", "name"],
                "constraints": [
                    models.UniqueConstraint(fields=("kind", "name"), name="tasks_pause_once"),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["queue", "actor"])), name="tasks_pause_kind_is_known"
                    ),
                ],
            },
        ),
    ]
