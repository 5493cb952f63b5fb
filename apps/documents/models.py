"""Documents, the text they hold and what was found in it."""

import uuid
from pathlib import PurePosixPath

from django.core.files.storage import Storage, storages
from django.db import models

from apps.core.models import BaseModel
from apps.core.owned_file import OwnedFileField
from apps.documents.analysis import readability
from apps.projects.models import Project


class Document(BaseModel):
    """One manuscript of a project."""

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        PROCESSING = "processing", "Processing"
        PROCESSED = "processed", "Processed"
        FAILED = "failed", "Failed"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="documents")
    title = models.CharField(max_length=200)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.DRAFT)
    error_message = models.TextField(blank=True, help_text="Why processing failed, in words for the writer.")
    expires_at = models.DateTimeField(
        null=True, blank=True, help_text="When cleaning up may delete the document. Empty: never."
    )

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.title


def manuscript_storage() -> Storage:
    """Where uploaded files are kept: the storage that settings call `manuscripts`."""
    return storages["manuscripts"]


def stored_name(manuscript: "Manuscript | None" = None, filename: str = "") -> str:
    """A new name for a file in the storage. Of the writer's name it has the suffix at most."""
    suffix = PurePosixPath(filename).suffix.lower()
    known = suffix[1:].isascii() and suffix[1:].isalnum() and len(suffix) <= 10
    return f"manuscripts/{uuid.uuid4().hex}{suffix if known else ''}"


class ManuscriptsWithoutText(models.Manager["Manuscript"]):
    """Manuscripts whose texts are loaded when they are asked for: each may have 50 MB."""

    def get_queryset(self) -> "models.QuerySet[Manuscript]":
        return super().get_queryset().defer("text")


class Manuscript(BaseModel):
    """What a writer sent in: a file, or a pasted text. Apart from the document, so that lists stay light."""

    document = models.OneToOneField(Document, on_delete=models.CASCADE, related_name="manuscript")
    filename = models.CharField(max_length=255, blank=True, help_text="The uploaded file's name. Empty: pasted.")
    file = OwnedFileField(
        storage=manuscript_storage, upload_to=stored_name, blank=True, help_text="As it was uploaded. Empty: pasted."
    )
    text = models.TextField(
        blank=True, help_text="As it was pasted. Empty: it is read from the file each time it is processed."
    )

    objects = models.Manager["Manuscript"]()
    without_text = ManuscriptsWithoutText()

    class Meta:
        # A deletion loads the rows to delete their files.
        base_manager_name = "without_text"

    def __str__(self) -> str:
        return self.filename or "pasted text"


class Counts(BaseModel):
    """What is counted and found in a text, be it the whole or a chapter.

    What was processed before a figure was known has none: it is null, or empty for the language.
    """

    words = models.PositiveIntegerField()
    sentences = models.PositiveIntegerField()
    reading_minutes = models.FloatField(help_text="At `READING_WORDS_PER_MINUTE`.")
    language = models.CharField(
        max_length=2, blank=True, default="", db_default="", help_text="ISO 639-1 code. Empty: it could not be told."
    )
    reading_ease = models.FloatField(
        null=True, help_text="Flesch's, as fitted to the language: 100 is very easy, 0 very hard. Null: none."
    )
    grade_level = models.FloatField(null=True, help_text="The school year that understands it. Null: none.")
    dialogue_share = models.FloatField(null=True, help_text="The share of words in quotation marks, 0 to 1.")
    keywords = models.JSONField(null=True, help_text='`[{"text": "Elizabeth", "count": 635}]`, the best first.')
    longest_sentences = models.JSONField(null=True, help_text='`[{"text": "It is", "words": 2}]`, the longest first.')
    repeated_phrases = models.JSONField(
        null=True, help_text='`[{"text": "a great deal", "count": 23}]`, the most frequent first.'
    )

    @property
    def readability_note(self) -> str:
        """What the reading ease and the grade level mean for this text, or why there are none."""
        if self.keywords is None:
            return "Process it again to see how easy it is to read."
        return readability.note(language=self.language, words=self.words, has_ease=self.reading_ease is not None)

    class Meta:
        abstract = True


class Analysis(Counts):
    """What was found in a whole document."""

    document = models.OneToOneField(Document, on_delete=models.CASCADE, related_name="analysis")

    class Meta:
        verbose_name_plural = "analyses"

    def __str__(self) -> str:
        return f"{self.words} words"


class Chapter(Counts):
    """A chapter of a document, in the order of the text."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="chapters")
    position = models.PositiveIntegerField(help_text="1 for the first chapter.")
    title = models.CharField(max_length=255, blank=True)

    class Meta:
        ordering = ["document_id", "position"]
        constraints = [
            models.UniqueConstraint(fields=["document", "position"], name="documents_chapter_position"),
        ]

    def __str__(self) -> str:
        return self.title or f"Part {self.position}"
