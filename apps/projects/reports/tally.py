"""The sums over a project's documents, and the few documents and findings that a report names."""

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils import timezone

from apps.projects.contents import DocumentLine, Found

#: Number of documents that a report names. Of the others it says their number; totals cover all.
MAX_DOCUMENT_LINES = 300
#: Number of the longest documents that are compared, and of keywords, failures and findings that are named.
MAX_LONGEST = 15
MAX_KEYWORDS = 15
MAX_FAILURES = 10
MAX_FINDINGS = 5
#: Number of reasons for missing figures that are named, the most frequent ones.
MAX_NOTES = 10
#: Number of different keywords that are counted. Beyond it the rarer half is forgotten.
MAX_KEYWORDS_COUNTED = 20_000
#: Age of a document up to which it is new.
NEW = timedelta(days=7)


@dataclass(frozen=True, kw_only=True)
class Keyword:
    """A keyword of the project: its occurrences, and the number of documents that have it as a keyword."""

    text: str
    number: int
    documents: int


class Mean:
    """A mean over the words of the documents that have the figure. `value` is None where none has it."""

    def __init__(self) -> None:
        self.sum, self.weight = 0.0, 0

    def add(self, figure: float | None, *, weight: int) -> None:
        if figure is not None:
            self.sum += figure * weight
            self.weight += weight

    @property
    def value(self) -> float | None:
        return self.sum / self.weight if self.weight else None


class Largest:
    """The findings with the largest numbers, each text once."""

    def __init__(self) -> None:
        self.found: list[Found] = []

    def add(self, found: Iterable[Found]) -> None:
        best = {one.text: one for one in sorted([*self.found, *found], key=lambda one: one.number)}
        self.found = sorted(best.values(), key=lambda one: (-one.number, one.text))[:MAX_FINDINGS]


class Keywords:
    """The keywords of all documents, whatever their capitals. They take bounded memory."""

    def __init__(self) -> None:
        self.numbers: Counter[str] = Counter()
        self.documents: Counter[str] = Counter()
        self.texts: dict[str, str] = {}

    def add(self, keywords: Iterable[Found]) -> None:
        for keyword in keywords:
            key = keyword.text.casefold()
            self.numbers[key] += keyword.number
            self.documents[key] += 1
            self.texts.setdefault(key, keyword.text)
        if len(self.numbers) > MAX_KEYWORDS_COUNTED:
            for key, _ in self.numbers.most_common()[MAX_KEYWORDS_COUNTED // 2 :]:
                del self.numbers[key], self.documents[key], self.texts[key]

    def most_frequent(self) -> list[Keyword]:
        found = sorted(self.numbers.items(), key=lambda pair: (-pair[1], pair[0]))[:MAX_KEYWORDS]
        return [Keyword(text=self.texts[key], number=number, documents=self.documents[key]) for key, number in found]


class Tally:
    """The sums over the documents that were added. Documents without figures count as documents alone."""

    def __init__(self, *, now: datetime) -> None:
        self.now = now
        self.documents = self.processed = self.failed = 0
        self.words = self.sentences = self.chapters = self.new_words = self.new_documents = 0
        self.reading_minutes = 0.0
        self.reading_ease, self.grade_level, self.dialogue_share = Mean(), Mean(), Mean()
        self.languages: Counter[str] = Counter()
        self.units: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        #: Words and documents of each week, by its Monday.
        self.weeks: dict[date, tuple[int, int]] = {}
        self.lines: list[DocumentLine] = []
        self.failures: list[DocumentLine] = []
        self.longest_sentences, self.repeated_phrases, self.keywords = Largest(), Largest(), Keywords()
        self._longest: list[tuple[int, int, DocumentLine]] = []

    @property
    def longest(self) -> list[DocumentLine]:
        """The longest documents, the longest first; of two of the same length the earlier one first."""
        return [line for _, _, line in sorted(self._longest, reverse=True)]

    def add(self, line: DocumentLine) -> None:
        self.documents += 1
        if len(self.lines) < MAX_DOCUMENT_LINES:
            self.lines.append(line)
        if line.failed:
            self.failed += line.words is None
            if len(self.failures) < MAX_FAILURES:
                self.failures.append(line)
        self._add_to_week(line)
        if line.created_at > self.now - NEW:
            self.new_documents += 1
            self.new_words += line.words or 0
        if line.words is not None:
            self._add_figures(line, words=line.words)

    def _add_to_week(self, line: DocumentLine) -> None:
        created = timezone.localdate(line.created_at)
        monday = created - timedelta(days=created.weekday())
        words, documents = self.weeks.get(monday, (0, 0))
        self.weeks[monday] = (words + (line.words or 0), documents + 1)

    def _add_figures(self, line: DocumentLine, *, words: int) -> None:
        self.processed += 1
        self.words += words
        self.sentences += line.sentences or 0
        self.chapters += line.chapters
        self.reading_minutes += line.reading_minutes or 0
        self.reading_ease.add(line.reading_ease, weight=words)
        self.grade_level.add(line.grade_level, weight=words)
        self.dialogue_share.add(line.dialogue_share, weight=words)
        if line.language:
            self.languages[line.language] += 1
        self.units[line.unit] += 1
        self.notes.update(line.notes)
        heapq.heappush(self._longest, (words, -self.documents, line))
        if len(self._longest) > MAX_LONGEST:
            heapq.heappop(self._longest)
        self.longest_sentences.add(line.longest_sentences)
        self.repeated_phrases.add(line.repeated_phrases)
        self.keywords.add(line.keywords)
