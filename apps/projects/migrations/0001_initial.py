import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import apps.core.owned_file
import apps.projects.models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Mailing",
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
                    "task_id",
                    models.CharField(
                        help_text="Id of the task that sent the mail. Written by that task.",
                        max_length=255,
                        unique=True,
                    ),
                ),
                (
                    "message_id",
                    models.CharField(
                        help_text="Message-ID header of the mail. Written by the task that sent it.", max_length=255
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        help_text="User whom the mail was sent to. Written by the task that sent it.",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="Project",
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
                        help_text="Name of the project. Written by its owner, and by staff.", max_length=200
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        help_text="User whom the project belongs to. Written when it is made, and by staff.",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="projects",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
            },
        ),
        migrations.CreateModel(
            name="Report",
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
                    "task_id",
                    models.CharField(
                        blank=True,
                        help_text="Id of the task that made the report. Written by that task. Empty: made without a task.",
                        max_length=255,
                    ),
                ),
                (
                    "html",
                    apps.core.owned_file.OwnedFileField(
                        help_text="The report as a web page. Written by the report's task.",
                        storage=apps.projects.models.report_storage,
                        upload_to=apps.projects.models.stored_name,
                    ),
                ),
                (
                    "pdf",
                    apps.core.owned_file.OwnedFileField(
                        help_text="The report as a PDF. Written by the report's task.",
                        storage=apps.projects.models.report_storage,
                        upload_to=apps.projects.models.stored_name,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        help_text="Project that the report is about. Written by the report's task.",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="reports",
                        to="projects.project",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
    ]
