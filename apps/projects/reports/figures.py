"""A project in figures.

The documents are gone through once and none is kept but those that the report names, so ten thousand take no more
memory than a few hundred.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import fmean

from django.utils import timezone

from apps.projects import contents
from apps.projects.contents import ChapterLine, DocumentLine, Found
from apps.projects.models import Project
from apps.tasks import progress

#: A report names so many documents; of the others it says how many they are. Totals cover all.
MAX_DOCUMENT_LINES = 300
#: So many of the longest documents are compared, and so many keywords, failures and findings named.
MAX_LONGEST = 15
MAX_KEYWORDS = 15
MAX_FAILURES = 10
MAX_FINDINGS = 5
#: The readability of so many documents is drawn chapter by chapter, with at most so many points each.
MAX_COURSES = 3
MAX_COURSE_POINTS = 150
#: Different keywords that are counted; beyond that the rarest of the moment are forgotten.
MAX_KEYWORDS_COUNTED = 20_000
#: So many weeks are shown; where there are more it is months, and where those are more it is years.
MAX_WEEKS, MAX_MONTHS = 26, 48
#: Reading the documents takes the task so far, in percent; their chapters until then.
DOCUMENTS_END, CHAPTERS_END = 50, 60

READING_EASE = "Reading ease"
SENTENCE_LENGTH = "Words per sentence"


@dataclass(frozen=True, kw_only=True)
class Keyword:
    """A keyword of the project: how often it is there, and in how many documents it is a keyword."""

    text: str
    number: int
    documents: int


@dataclass(frozen=True, kw_only=True)
class Period:
    """What came into the project in a week, a month or a year that begins on a day."""

    start: date
    words: int
    documents: int


@dataclass(frozen=True, kw_only=True)
class Course:
    """How a figure goes from chapter to chapter in one document.

    Parameters:
      measure: `READING_EASE`, or `SENTENCE_LENGTH` where that is not known.
      whole: The figure of the whole document.
      values: One for each chapter that has it; means of neighbours where they are too many.
      words: The same of the lengths.
    """

    title: str
    measure: str
    whole: float
    chapters: int
    values: tuple[float, ...]
    words: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Figures:
    """All that a report says. Totals are over the documents that have figures.

    Parameters:
      documents, processed, failed: How many there are, have figures, could not be processed.
      reading_ease, grade_level, dialogue_share: Means over the words. None where nobody knows.
      languages: The language codes, the most frequent first.
      lines: The documents, the first `MAX_DOCUMENT_LINES`.
      longest: The longest ones, the longest first.
      failures: The first `MAX_FAILURES`.
      unit: What a period is: "week", "month" or "year".
      new_words, new_documents: What came in the last seven days.
    """

    project_id: int
    name: str
    owner: str
    made_at: datetime
    documents: int
    processed: int
    failed: int
    words: int
    sentences: int
    chapters: int
    reading_minutes: float
    reading_ease: float | None
    grade_level: float | None
    dialogue_share: float | None
    languages: tuple[str, ...]
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
        """How many documents were not processed yet."""
        return self.documents - self.processed - self.failed


def gather(project: Project, *, end: float = CHAPTERS_END) -> Figures:
    """The figures of a project, from what is registered in `contents`.

    Parameters:
      end: How far the task is afterwards, in percent.
    """
    source = contents.registered()
    scale = end / CHAPTERS_END
    tally = _Tally(now=timezone.now())
    total = source.count(project.pk)
    documents = source.documents(project.pk)
    for line in progress.track(documents, "Documents", total=total, end=DOCUMENTS_END * scale):
        tally.add(line)
    longest = [line for _, _, line in sorted(tally.longest, reverse=True)]
    progress.set(DOCUMENTS_END * scale, "Reading the chapters")
    courses = _courses(longest, source.chapters)
    progress.set(end)
    unit, periods = _periods(tally.weeks)
    return Figures(
        project_id=project.pk,
        name=project.name,
        owner=project.owner.get_full_name() or project.owner.get_username(),
        made_at=tally.now,
        documents=tally.documents,
        processed=tally.processed,
        failed=tally.failed,
        words=tally.words,
        sentences=tally.sentences,
        chapters=tally.chapters,
        reading_minutes=round(tally.reading_minutes, 2),
        reading_ease=tally.reading_ease.value,
        grade_level=tally.grade_level.value,
        dialogue_share=tally.dialogue_share.value,
        languages=tuple(code for code, _ in tally.languages.most_common()),
        lines=tuple(tally.lines),
        longest=tuple(longest),
        failures=tuple(tally.failures),
        keywords=tally.keywords(),
        longest_sentences=tuple(_largest(tally.longest_sentences)),
        repeated_phrases=tuple(_largest(tally.repeated_phrases)),
        courses=tuple(courses),
        unit=unit,
        periods=tuple(periods),
        new_words=tally.new_words,
        new_documents=tally.new_documents,
    )


class _Mean:
    """A mean over the words of the documents that have the figure."""

    def __init__(self) -> None:
        self.sum, self.weight = 0.0, 0

    def add(self, figure: float | None, *, weight: int) -> None:
        if figure is not None:
            self.sum += figure * weight
            self.weight += weight

    @property
    def value(self) -> float | None:
        return self.sum / self.weight if self.weight else None


class _Tally:
    """The sums so far, and the few documents and findings that the report names."""

    def __init__(self, *, now: datetime) -> None:
        self.now = now
        self.documents = self.processed = self.failed = 0
        self.words = self.sentences = self.chapters = self.new_words = self.new_documents = 0
        self.reading_minutes = 0.0
        self.reading_ease, self.grade_level, self.dialogue_share = _Mean(), _Mean(), _Mean()
        self.languages: Counter[str] = Counter()
        self.weeks: dict[date, tuple[int, int]] = {}
        self.lines: list[DocumentLine] = []
        self.failures: list[DocumentLine] = []
        self.longest: list[tuple[int, int, DocumentLine]] = []
        self.longest_sentences: dict[str, Found] = {}
        self.repeated_phrases: dict[str, Found] = {}
        self.keyword_numbers: Counter[str] = Counter()
        self.keyword_documents: Counter[str] = Counter()
        self.keyword_texts: dict[str, str] = {}

    def add(self, line: DocumentLine) -> None:
        self.documents += 1
        if len(self.lines) < MAX_DOCUMENT_LINES:
            self.lines.append(line)
        is_new = line.created_at > self.now - timedelta(days=7)
        self.new_documents += is_new
        if line.failed:
            self.failed += line.words is None
            if len(self.failures) < MAX_FAILURES:
                self.failures.append(line)
        created = timezone.localdate(line.created_at)
        monday = created - timedelta(days=created.weekday())
        words, documents = self.weeks.get(monday, (0, 0))
        self.weeks[monday] = (words + (line.words or 0), documents + 1)
        if line.words is None:
            return
        self.processed += 1
        self.words += line.words
        self.new_words += line.words if is_new else 0
        self.sentences += line.sentences or 0
        self.chapters += line.chapters
        self.reading_minutes += line.reading_minutes or 0
        self.reading_ease.add(line.reading_ease, weight=line.words)
        self.grade_level.add(line.grade_level, weight=line.words)
        self.dialogue_share.add(line.dialogue_share, weight=line.words)
        if line.language:
            self.languages[line.language] += 1
        # Of two of the same length the earlier one.
        heapq.heappush(self.longest, (line.words, -self.documents, line))
        if len(self.longest) > MAX_LONGEST:
            heapq.heappop(self.longest)
        self._add_findings(line)

    def _add_findings(self, line: DocumentLine) -> None:
        for keyword in line.keywords:
            key = keyword.text.casefold()
            self.keyword_numbers[key] += keyword.number
            self.keyword_documents[key] += 1
            self.keyword_texts.setdefault(key, keyword.text)
        if len(self.keyword_numbers) > MAX_KEYWORDS_COUNTED:
            for key, _ in self.keyword_numbers.most_common()[MAX_KEYWORDS_COUNTED // 2 :]:
                del self.keyword_numbers[key], self.keyword_documents[key], self.keyword_texts[key]
        for best, found in (
            (self.longest_sentences, line.longest_sentences),
            (self.repeated_phrases, line.repeated_phrases),
        ):
            for one in found:
                if one.text not in best or best[one.text].number < one.number:
                    best[one.text] = one
            for one in sorted(best.values(), key=lambda one: -one.number)[MAX_FINDINGS:]:
                del best[one.text]

    def keywords(self) -> tuple[Keyword, ...]:
        found = sorted(self.keyword_numbers.items(), key=lambda pair: (-pair[1], pair[0]))[:MAX_KEYWORDS]
        return tuple(
            Keyword(text=self.keyword_texts[key], number=number, documents=self.keyword_documents[key])
            for key, number in found
        )


def _largest(found: dict[str, Found]) -> list[Found]:
    return sorted(found.values(), key=lambda one: (-one.number, one.text))


def _courses(longest: Sequence[DocumentLine], chapters_of: contents.ChaptersProvider) -> list[Course]:
    """The courses of the longest documents that have at least two chapters to compare."""
    courses: list[Course] = []
    for line in longest:
        if line.chapters < 2:
            continue
        chapters = [chapter for chapter in chapters_of(line.id) if chapter.words and chapter.sentences]
        course = _course(line, chapters)
        if course is not None:
            courses.append(course)
        if len(courses) == MAX_COURSES:
            break
    return courses


def _course(line: DocumentLine, chapters: Sequence[ChapterLine]) -> Course | None:
    values = [chapter.reading_ease for chapter in chapters if chapter.reading_ease is not None]
    measure, whole = READING_EASE, line.reading_ease
    if len(values) < 2 or whole is None:
        measure, whole = SENTENCE_LENGTH, (line.words or 0) / (line.sentences or 1)
        values = [chapter.words / chapter.sentences for chapter in chapters]
    if len(values) < 2:
        return None
    return Course(
        title=line.title,
        measure=measure,
        whole=whole,
        chapters=len(values),
        values=tuple(_thinned(values)),
        words=tuple(_thinned([chapter.words for chapter in chapters])),
    )


def _thinned(values: Sequence[float]) -> list[float]:
    """At most `MAX_COURSE_POINTS` values: means of neighbours."""
    size = -(-len(values) // MAX_COURSE_POINTS)
    return [fmean(values[start : start + size]) for start in range(0, len(values), size)]


def _periods(weeks: dict[date, tuple[int, int]]) -> tuple[str, list[Period]]:
    """Weeks, months or years from the first to the last that has a document, those in between without any too."""
    if not weeks:
        return "week", []
    first, last = min(weeks), max(weeks)
    unit = "week"
    if (last - first).days // 7 >= MAX_WEEKS:
        months = (last.year - first.year) * 12 + last.month - first.month
        unit = "month" if months < MAX_MONTHS else "year"
    sums: dict[date, tuple[int, int]] = {}
    for start in _starts(first, last, unit=unit):
        sums[start] = (0, 0)
    for monday, (words, documents) in weeks.items():
        start = _start(monday, unit=unit)
        sums[start] = (sums[start][0] + words, sums[start][1] + documents)
    return unit, [Period(start=start, words=words, documents=number) for start, (words, number) in sums.items()]


def _start(day: date, *, unit: str) -> date:
    """The first day of the period that the day is in."""
    return {"week": day, "month": day.replace(day=1), "year": day.replace(month=1, day=1)}[unit]


def _starts(first: date, last: date, *, unit: str) -> Iterable[date]:
    start = _start(first, unit=unit)
    while start <= last:
        yield start
        # Beyond the end of this period, and never beyond the next one.
        start = _start(start + timedelta(days={"week": 7, "month": 31, "year": 366}[unit]), unit=unit)
