import django.db.models.deletion
import django.db.models.manager
from django.db import migrations, models

import apps.core.owned_file
import apps.documents.models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("projects", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Document",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("title", models.CharField(max_length=200)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("draft", "Draft"),
                            ("processing", "Processing"),
                            ("processed", "Processed"),
                            ("failed", "Failed"),
                        ],
                        default="draft",
                        max_length=20,
                    ),
                ),
                (
                    "error_message",
                    models.TextField(blank=True, help_text="Why processing failed, in words for the writer."),
                ),
                (
                    "expires_at",
                    models.DateTimeField(
                        blank=True, help_text="When cleaning up may delete the document. Empty: never.", null=True
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="documents", to="projects.project"
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
            },
        ),
        migrations.CreateModel(
            name="Analysis",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("words", models.PositiveIntegerField()),
                ("sentences", models.PositiveIntegerField()),
                ("reading_minutes", models.FloatField(help_text="At `READING_WORDS_PER_MINUTE`.")),
                (
                    "language",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="ISO 639-1 code. Empty: it could not be told.",
                        max_length=2,
                    ),
                ),
                (
                    "reading_ease",
                    models.FloatField(
                        help_text="Flesch's, as fitted to the language: 100 is very easy, 0 very hard. Null: none.",
                        null=True,
                    ),
                ),
                (
                    "grade_level",
                    models.FloatField(help_text="The school year that understands it. Null: none.", null=True),
                ),
                (
                    "dialogue_share",
                    models.FloatField(help_text="The share of words in quotation marks, 0 to 1.", null=True),
                ),
                (
                    "keywords",
                    models.JSONField(help_text='`[{"text": "Elizabeth", "count": 635}]`, the best first.', null=True),
                ),
                (
                    "longest_sentences",
                    models.JSONField(help_text='`[{"text": "It is", "words": 2}]`, the longest first.', null=True),
                ),
                (
                    "repeated_phrases",
                    models.JSONField(
                        help_text='`[{"text": "a great deal", "count": 23}]`, the most frequent first.', null=True
                    ),
                ),
                (
                    "document",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="analysis", to="documents.document"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "analyses",
            },
        ),
        migrations.CreateModel(
            name="Manuscript",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "filename",
                    models.CharField(blank=True, help_text="The uploaded file's name. Empty: pasted.", max_length=255),
                ),
                (
                    "file",
                    apps.core.owned_file.OwnedFileField(
                        blank=True,
                        help_text="As it was uploaded. Empty: pasted.",
                        storage=apps.documents.models.manuscript_storage,
                        upload_to=apps.documents.models.stored_name,
                    ),
                ),
                (
                    "text",
                    models.TextField(
                        blank=True,
                        help_text="As it was pasted. Empty: it is read from the file each time it is processed.",
                    ),
                ),
                (
                    "document",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="manuscript", to="documents.document"
                    ),
                ),
            ],
            options={
                "base_manager_name": "without_text",
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("without_text", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Chapter",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("words", models.PositiveIntegerField()),
                ("sentences", models.PositiveIntegerField()),
                ("reading_minutes", models.FloatField(help_text="At `READING_WORDS_PER_MINUTE`.")),
                (
                    "language",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="ISO 639-1 code. Empty: it could not be told.",
                        max_length=2,
                    ),
                ),
                (
                    "reading_ease",
                    models.FloatField(
                        help_text="Flesch's, as fitted to the language: 100 is very easy, 0 very hard. Null: none.",
                        null=True,
                    ),
                ),
                (
                    "grade_level",
                    models.FloatField(help_text="The school year that understands it. Null: none.", null=True),
                ),
                (
                    "dialogue_share",
                    models.FloatField(help_text="The share of words in quotation marks, 0 to 1.", null=True),
                ),
                (
                    "keywords",
                    models.JSONField(help_text='`[{"text": "Elizabeth", "count": 635}]`, the best first.', null=True),
                ),
                (
                    "longest_sentences",
                    models.JSONField(help_text='`[{"text": "It is", "words": 2}]`, the longest first.', null=True),
                ),
                (
                    "repeated_phrases",
                    models.JSONField(
                        help_text='`[{"text": "a great deal", "count": 23}]`, the most frequent first.', null=True
                    ),
                ),
                ("position", models.PositiveIntegerField(help_text="1 for the first chapter.")),
                ("title", models.CharField(blank=True, max_length=255)),
                (
                    "document",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="chapters", to="documents.document"
                    ),
                ),
            ],
            options={
                "ordering": ["document_id", "position"],
                "constraints": [
                    models.UniqueConstraint(fields=("document", "position"), name="documents_chapter_position")
                ],
            },
        ),
    ]
