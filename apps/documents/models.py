"""Documents, the text they hold and what was found in it."""

from django.db import models

from apps.core.models import BaseModel
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


class Manuscript(BaseModel):
    """The text of a document as it was sent in; apart from it, so that lists of documents stay light."""

    document = models.OneToOneField(Document, on_delete=models.CASCADE, related_name="manuscript")
    filename = models.CharField(max_length=255, blank=True, help_text="The uploaded file's name. Empty: pasted.")
    text = models.TextField()

    def __str__(self) -> str:
        return self.filename or "pasted text"


class Counts(BaseModel):
    """What is counted in a text, be it the whole or a chapter."""

    words = models.PositiveIntegerField()
    sentences = models.PositiveIntegerField()
    reading_minutes = models.FloatField(help_text="At `READING_WORDS_PER_MINUTE`.")

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
