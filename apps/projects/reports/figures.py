"""A project in figures.

The documents are read once, and only those that the report names are kept, so ten thousand take no more memory than a
few hundred.
"""

from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from django.utils import timezone

from apps.projects import contents
from apps.projects.contents import DocumentLine, Found
from apps.projects.models import Project
from apps.projects.reports.courses import Course, courses
from apps.projects.reports.periods import Period, periods
from apps.projects.reports.tally import MAX_NOTES, Keyword, Tally
from apps.projects.reports.wording import noun_of
from apps.tasks import progress

#: Largest number of documents whose course a report draws.
MAX_COURSES = 3
#: Progress of the task, in percent, once the documents are read, and once their chapters are.
DOCUMENTS_END, CHAPTERS_END = 50, 60


@dataclass(frozen=True, kw_only=True)
class Figures:
    """All content of a report. Totals are over the documents that have figures.

    Parameters:
      documents, processed, failed: Numbers of all documents, of those that have figures, and of those that could not
        be processed and have none.
      reading_ease, grade_level, dialogue_share: Means over the words. None where no document has the figure.
      noun: The noun of what `words` counts: "word", "character", or "word or character" where documents differ.
      languages: The language codes, the most frequent first.
      notes: Reasons for figures that documents do not have, each with the number of these documents.
      lines: The first documents.
      longest: The longest documents, the longest first.
      failures: The first documents that could not be processed.
      unit: Length of a period: "week", "month" or "year".
      new_words, new_documents: Additions of the last seven days.
    """

    project_id: int
    name: str
    owner: str
    made_at: datetime
    documents: int
    processed: int
    failed: int
    words: int
    noun: str
    sentences: int
    chapters: int
    reading_minutes: float
    reading_ease: float | None
    grade_level: float | None
    dialogue_share: float | None
    languages: tuple[str, ...]
    notes: tuple[Found, ...]
    lines: tuple[DocumentLine, ...]
    longest: tuple[DocumentLine, ...]
    failures: tuple[DocumentLine, ...]
    keywords: tuple[Keyword, ...]
    longest_sentences: tuple[Found, ...]
    repeated_phrases: tuple[Found, ...]
    courses: tuple[Course, ...]
    unit: str
    periods: tuple[Period, ...]
    new_words: int
    new_documents: int

    @property
    def waiting(self) -> int:
        """Number of documents that were not processed yet."""
        return self.documents - self.processed - self.failed


def gather(project: Project, *, end: float = CHAPTERS_END) -> Figures:
    """Return the figures of a project, from the providers that are registered in `contents`.

    Parameters:
      end: Progress of the task afterwards, in percent.
    """
    source = contents.registered()
    scale = end / CHAPTERS_END
    tally = Tally(now=timezone.now())
    total = source.count(project.pk)
    for line in progress.track(source.documents(project.pk), "Documents", total=total, end=DOCUMENTS_END * scale):
        tally.add(line)
    progress.set(DOCUMENTS_END * scale, "Reading the chapters")
    drawn = tuple(islice(courses(tally.longest, source.chapters), MAX_COURSES))
    progress.set(end)
    unit, found = periods(tally.weeks)
    return Figures(
        project_id=project.pk,
        name=project.name,
        owner=project.owner.get_full_name() or project.owner.get_username(),
        made_at=tally.now,
        documents=tally.documents,
        processed=tally.processed,
        failed=tally.failed,
        words=tally.words,
        noun=noun_of(tally.units),
        sentences=tally.sentences,
        chapters=tally.chapters,
        reading_minutes=round(tally.reading_minutes, 2),
        reading_ease=tally.reading_ease.value,
        grade_level=tally.grade_level.value,
        dialogue_share=tally.dialogue_share.value,
        languages=tuple(code for code, _ in tally.languages.most_common()),
        notes=tuple(Found(text=note, number=number) for note, number in tally.notes.most_common(MAX_NOTES)),
        lines=tuple(tally.lines),
        longest=tuple(tally.longest),
        failures=tuple(tally.failures),
        keywords=tuple(tally.keywords.most_frequent()),
        longest_sentences=tuple(tally.longest_sentences.found),
        repeated_phrases=tuple(tally.repeated_phrases.found),
        courses=drawn,
        unit=unit,
        periods=tuple(found),
        new_words=tally.new_words,
        new_documents=tally.new_documents,
    )
