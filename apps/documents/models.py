"""Documents, their manuscripts, and the figures of their texts."""

import uuid
from pathlib import PurePosixPath
from typing import Any

from django.core.files.storage import Storage, storages
from django.db import models

from apps.core.models import BaseModel
from apps.core.owned_file import OwnedFileField
from apps.documents.analysis import dialogue, readability, scripts
from apps.projects.models import Project


class DocumentQuerySet(models.QuerySet["Document"]):
    """Query words for documents."""

    def visible_to(self, user: Any) -> "DocumentQuerySet":
        """Return the documents of the projects that the user sees."""
        return self.filter(project__in=Project.objects.visible_to(user).order_by().values("pk"))

    def in_order(self) -> "DocumentQuerySet":
        """Return them in the order of their project's writers. Without one, and after it, the first upload is first."""
        return self.order_by(models.F("position").asc(nulls_last=True), "created_at", "pk")


class Document(BaseModel):
    """One manuscript of a project."""

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        PROCESSING = "processing", "Processing"
        PROCESSED = "processed", "Processed"
        FAILED = "failed", "Failed"
        UNDECIDED = "undecided", "Encoding to be chosen"

    project = models.ForeignKey(
        Project,
        on_delete=models.CASCADE,
        related_name="documents",
        help_text="Project that the document belongs to. Written by the writer when it is made, and by staff.",
    )
    title = models.CharField(max_length=200, help_text="Title of the document. Written by the writer, and by staff.")
    status = models.CharField(
        max_length=20,
        choices=Status.choices,
        default=Status.DRAFT,
        help_text="Draft: never processed. Undecided: a writer must choose the encoding of the file, as the upload or "
        "processing found. The other states are written by the start of processing, and by its task.",
    )
    error_message = models.TextField(
        blank=True,
        help_text="Why processing failed, in words for the writer. Written with the status. Empty: it did not fail.",
    )
    size_bytes = models.PositiveBigIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="Size of its manuscript in bytes, for the quota of the project's owner. Written when it is made.",
    )
    position = models.PositiveIntegerField(
        null=True,
        blank=True,
        editable=False,
        help_text="Place among the documents of its project, from 1. Written for all of them when a writer moves one. "
        "Empty: after those that have a place, in the order of their upload.",
    )
    expires_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Time from which the nightly clean-up deletes the document, in UTC. Written by staff. Empty: never.",
    )

    objects = DocumentQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.title


def manuscript_storage() -> Storage:
    """Return the storage of uploaded files, which the settings call `manuscripts`."""
    return storages["manuscripts"]


def stored_name(manuscript: "Manuscript | None" = None, filename: str = "") -> str:
    """Return a new name for a file in the storage. It has at most the suffix of the writer's name."""
    suffix = PurePosixPath(filename).suffix.lower()
    known = suffix[1:].isascii() and suffix[1:].isalnum() and len(suffix) <= 10
    return f"manuscripts/{uuid.uuid4().hex}{suffix if known else ''}"


class ManuscriptsWithoutText(models.Manager["Manuscript"]):
    """Manuscripts whose texts are loaded on access only. A text may have 50 MB."""

    def get_queryset(self) -> "models.QuerySet[Manuscript]":
        return super().get_queryset().defer("text")


class Manuscript(BaseModel):
    """An uploaded file or a pasted text. A row of its own, so that lists of documents stay light."""

    document = models.OneToOneField(
        Document,
        on_delete=models.CASCADE,
        related_name="manuscript",
        help_text="Document that the manuscript belongs to. Written when the document is made.",
    )
    filename = models.CharField(
        max_length=255,
        blank=True,
        help_text="Name of the uploaded file, without its path. Written when the document is made. Empty: pasted.",
    )
    file = OwnedFileField(
        storage=manuscript_storage,
        upload_to=stored_name,
        blank=True,
        help_text="The file as it was uploaded. Written when the document is made. Empty: pasted.",
    )
    readings = models.JSONField(
        null=True,
        blank=True,
        help_text="Encodings that the file may have, and lines as they read in each, the likeliest first: "
        '`[{"encoding": "cp850", "preview": "en å"}]`. Written by the upload or by processing. Null: it can be told.',
    )
    encoding = models.CharField(
        max_length=40,
        blank=True,
        default="",
        db_default="",
        help_text="Encoding chosen among the readings. Written by the writer. Empty: none yet, or it can be told.",
    )
    text = models.TextField(
        blank=True,
        help_text="The text as it was pasted. Written when the document is made. Empty: processing reads the file.",
    )

    objects = models.Manager["Manuscript"]()
    without_text = ManuscriptsWithoutText()

    class Meta:
        # A deletion loads the rows to delete their files.
        base_manager_name = "without_text"

    def __str__(self) -> str:
        return self.filename or "pasted text"


class Counts(BaseModel):
    """Figures of a text, the whole or a chapter. They are written by the task that processes the document.

    A figure that did not exist yet when the text was processed is null; the language is empty.
    """

    words = models.PositiveIntegerField(
        help_text="Number of words, or of characters in a language without spaces between words. Written by processing."
    )
    sentences = models.PositiveIntegerField(help_text="Number of sentences. Written by processing.")
    reading_minutes = models.FloatField(
        help_text="Minutes to read it at `READING_WORDS_PER_MINUTE`. Written by processing."
    )
    language = models.CharField(
        max_length=2,
        blank=True,
        default="",
        db_default="",
        help_text="ISO 639-1 code of the language. Written by processing. Empty: unknown.",
    )
    reading_ease = models.FloatField(
        null=True,
        help_text="Flesch's reading ease: 100 is very easy, 0 very hard. Written by processing. "
        "Null: too short a text, or a language that is not measured.",
    )
    grade_level = models.FloatField(
        null=True,
        help_text="School year from which on a reader understands it. Written by processing. Null: no reading ease.",
    )
    dialogue_share = models.FloatField(
        null=True,
        help_text="Share of the words in quotation marks, 0 to 1. Written by processing. "
        "Null: no word, or a language that is not measured.",
    )
    keywords = models.JSONField(
        null=True,
        help_text='Keywords and their counts, the best first: `[{"text": "Elizabeth", "count": 635}]`. '
        "Written by processing.",
    )
    longest_sentences = models.JSONField(
        null=True,
        help_text='Longest sentences and their words, the longest first: `[{"text": "It is", "words": 2}]`. '
        "Written by processing.",
    )
    repeated_phrases = models.JSONField(
        null=True,
        help_text="Repeated phrases and their counts, the most frequent first: "
        '`[{"text": "a great deal", "count": 23}]`. Written by processing.',
    )

    @property
    def readability_note(self) -> str:
        """The meaning of the reading ease and the grade level of this text, or why there are none."""
        if self._is_old:
            return "Process it again to see how easy it is to read."
        return readability.note(language=self.language, words=self.words, has_ease=self.reading_ease is not None)

    @property
    def dialogue_note(self) -> str:
        """The reason why there is no share of dialogue. Empty: there is one."""
        if self.dialogue_share is not None:
            return ""
        return "Process it again to see how much is spoken." if self._is_old else dialogue.note(language=self.language)

    @property
    def notes(self) -> list[str]:
        """The reasons for all figures that are null."""
        readability_note = self.readability_note if self.reading_ease is None else ""
        return [note for note in (readability_note, self.dialogue_note, self.keywords_note) if note]

    @property
    def _is_old(self) -> bool:
        """Whether it was processed before the figures existed that may be null."""
        return self.keywords is None and not self.keywords_note

    @property
    def unit(self) -> str:
        """The noun of what `words` counts: "word", or "character" in a language without spaces between words."""
        return scripts.unit(self.language)

    @property
    def keywords_note(self) -> str:
        """The reason why there are no keywords and repeated phrases. Empty: there may be some."""
        if self.unit == "word":
            return ""
        return "No keywords and repeated phrases: this language is written without spaces between its words."

    class Meta:
        abstract = True


class Analysis(Counts):
    """Figures of a whole document."""

    document = models.OneToOneField(
        Document,
        on_delete=models.CASCADE,
        related_name="analysis",
        help_text="Document whose text was analysed. Written by processing.",
    )

    class Meta:
        verbose_name_plural = "analyses"

    def __str__(self) -> str:
        return f"{self.words} words"


class Chapter(Counts):
    """A chapter of a document, in the order of the text."""

    document = models.ForeignKey(
        Document,
        on_delete=models.CASCADE,
        related_name="chapters",
        help_text="Document that the chapter belongs to. Written by processing.",
    )
    position = models.PositiveIntegerField(help_text="Place among the chapters, from 1. Written by processing.")
    title = models.CharField(
        max_length=255,
        blank=True,
        help_text="Title as its heading gives it. Written by processing. Empty: the text has no headings.",
    )

    class Meta:
        ordering = ["document_id", "position"]
        constraints = [
            models.UniqueConstraint(fields=["document", "position"], name="documents_chapter_position"),
        ]

    def __str__(self) -> str:
        return self.title or f"Part {self.position}"
