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
                    "title",
                    models.CharField(
                        help_text="Title of the document. Written by the writer, and by staff.", max_length=200
                    ),
                ),
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
                        help_text="Draft: never processed. The other states are written by the start of processing, and by its task.",
                        max_length=20,
                    ),
                ),
                (
                    "error_message",
                    models.TextField(
                        blank=True,
                        help_text="Why processing failed, in words for the writer. Written with the status. Empty: it did not fail.",
                    ),
                ),
                (
                    "expires_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="Time from which the nightly clean-up deletes the document, in UTC. Written by staff. Empty: never.",
                        null=True,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        help_text="Project that the document belongs to. Written by the writer when it is made, and by staff.",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="documents",
                        to="projects.project",
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
                    "words",
                    models.PositiveIntegerField(
                        help_text="Number of words, or of characters in a language without spaces between words. Written by processing."
                    ),
                ),
                ("sentences", models.PositiveIntegerField(help_text="Number of sentences. Written by processing.")),
                (
                    "reading_minutes",
                    models.FloatField(
                        help_text="Minutes to read it at `READING_WORDS_PER_MINUTE`. Written by processing."
                    ),
                ),
                (
                    "language",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="ISO 639-1 code of the language. Written by processing. Empty: unknown.",
                        max_length=2,
                    ),
                ),
                (
                    "reading_ease",
                    models.FloatField(
                        help_text="Flesch's reading ease: 100 is very easy, 0 very hard. Written by processing. Null: too short a text, or a language that is not measured.",
                        null=True,
                    ),
                ),
                (
                    "grade_level",
                    models.FloatField(
                        help_text="School year from which on a reader understands it. Written by processing. Null: no reading ease.",
                        null=True,
                    ),
                ),
                (
                    "dialogue_share",
                    models.FloatField(
                        help_text="Share of the words in quotation marks, 0 to 1. Written by processing. Null: no word, or a language that is not measured.",
                        null=True,
                    ),
                ),
                (
                    "keywords",
                    models.JSONField(
                        help_text='Keywords and their counts, the best first: `[{"text": "Elizabeth", "count": 635}]`. Written by processing.',
                        null=True,
                    ),
                ),
                (
                    "longest_sentences",
                    models.JSONField(
                        help_text='Longest sentences and their words, the longest first: `[{"text": "It is", "words": 2}]`. Written by processing.',
                        null=True,
                    ),
                ),
                (
                    "repeated_phrases",
                    models.JSONField(
                        help_text='Repeated phrases and their counts, the most frequent first: `[{"text": "a great deal", "count": 23}]`. Written by processing.',
                        null=True,
                    ),
                ),
                (
                    "document",
                    models.OneToOneField(
                        help_text="Document whose text was analysed. Written by processing.",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="analysis",
                        to="documents.document",
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
                    "filename",
                    models.CharField(
                        blank=True,
                        help_text="Name of the uploaded file, without its path. Written when the document is made. Empty: pasted.",
                        max_length=255,
                    ),
                ),
                (
                    "file",
                    apps.core.owned_file.OwnedFileField(
                        blank=True,
                        help_text="The file as it was uploaded. Written when the document is made. Empty: pasted.",
                        storage=apps.documents.models.manuscript_storage,
                        upload_to=apps.documents.models.stored_name,
                    ),
                ),
                (
                    "text",
                    models.TextField(
                        blank=True,
                        help_text="The text as it was pasted. Written when the document is made. Empty: processing reads the file.",
                    ),
                ),
                (
                    "document",
                    models.OneToOneField(
                        help_text="Document that the manuscript belongs to. Written when the document is made.",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="manuscript",
                        to="documents.document",
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
                    "words",
                    models.PositiveIntegerField(
                        help_text="Number of words, or of characters in a language without spaces between words. Written by processing."
                    ),
                ),
                ("sentences", models.PositiveIntegerField(help_text="Number of sentences. Written by processing.")),
                (
                    "reading_minutes",
                    models.FloatField(
                        help_text="Minutes to read it at `READING_WORDS_PER_MINUTE`. Written by processing."
                    ),
                ),
                (
                    "language",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="ISO 639-1 code of the language. Written by processing. Empty: unknown.",
                        max_length=2,
                    ),
                ),
                (
                    "reading_ease",
                    models.FloatField(
                        help_text="Flesch's reading ease: 100 is very easy, 0 very hard. Written by processing. Null: too short a text, or a language that is not measured.",
                        null=True,
                    ),
                ),
                (
                    "grade_level",
                    models.FloatField(
                        help_text="School year from which on a reader understands it. Written by processing. Null: no reading ease.",
                        null=True,
                    ),
                ),
                (
                    "dialogue_share",
                    models.FloatField(
                        help_text="Share of the words in quotation marks, 0 to 1. Written by processing. Null: no word, or a language that is not measured.",
                        null=True,
                    ),
                ),
                (
                    "keywords",
                    models.JSONField(
                        help_text='Keywords and their counts, the best first: `[{"text": "Elizabeth", "count": 635}]`. Written by processing.',
                        null=True,
                    ),
                ),
                (
                    "longest_sentences",
                    models.JSONField(
                        help_text='Longest sentences and their words, the longest first: `[{"text": "It is", "words": 2}]`. Written by processing.',
                        null=True,
                    ),
                ),
                (
                    "repeated_phrases",
                    models.JSONField(
                        help_text='Repeated phrases and their counts, the most frequent first: `[{"text": "a great deal", "count": 23}]`. Written by processing.',
                        null=True,
                    ),
                ),
                (
                    "position",
                    models.PositiveIntegerField(help_text="Place among the chapters, from 1. Written by processing."),
                ),
                (
                    "title",
                    models.CharField(
                        blank=True,
                        help_text="Title as its heading gives it. Written by processing. Empty: the text has no headings.",
                        max_length=255,
                    ),
                ),
                (
                    "document",
                    models.ForeignKey(
                        help_text="Document that the chapter belongs to. Written by processing.",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="chapters",
                        to="documents.document",
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
