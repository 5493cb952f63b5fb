"""Choose the headings that are the chapters of a text: whole sequences of one form are compared by a score."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from apps.documents.analysis import contents, words
from apps.documents.analysis.headings import CHAPTER, NAME, NUMBER, PART, Heading, titles

#: What a form of headings counts. Any word stands between a word for a chapter and a number.
RANKS = {CHAPTER: 10.0, PART: 0.6}
RANK_OF_WORD, RANK_OF_NUMBER = 2.0, 1.0
#: Least evenness and least share of the text of a sequence without a word for a chapter. Lists and notes have less.
MIN_EVENNESS, MIN_COVERAGE = 0.08, 0.3
#: The same of titles without a number. Signatures, inscriptions and telegrams have less.
MIN_EVENNESS_OF_TITLES, MIN_COVERAGE_OF_TITLES = 0.4, 0.8
#: Fewest headings of such a sequence, and fewest titles without a number, which have more than a few words below.
MIN_HEADINGS, MIN_TITLES, FEW_WORDS = 2, 3, 30
#: Largest number with which a sequence begins.
LATEST_BEGINNING = 2
#: Largest step from one number to the next.
MAX_STEP = 3
#: Largest share of numbers in the middle of a sentence. Page numbers are there more often.
MAX_IN_SENTENCES = 0.25


def chosen(text: str, candidates: Sequence[Heading]) -> list[Heading]:
    """Return the headings of the best sequence, with the prologue and the epilogue. Empty: there is none."""
    best: tuple[float, list[Heading]] = (0.0, [])
    for form, headings in _groups(candidates):
        found = _sequence(text, form, headings)
        score = _score(text, form, found)
        if score > best[0]:
            best = score, found
    return best[1] or contents.without(text, [heading for heading in candidates if heading.form == NAME])


def titled(text: str) -> list[Heading]:
    """Return the titles without a number that have text below them. Empty: they are no chapters."""
    found = titles(text)
    ends = [*(heading.start for heading in found[1:]), len(text)]
    chosen = [
        heading
        for heading, end in zip(found, ends, strict=False)
        if not words.at_most(FEW_WORDS, text, heading.end, end)
    ]
    different = len({heading.name for heading in chosen})
    if (
        different < max(MIN_TITLES, len(chosen))
        or _evenness(text, chosen) < MIN_EVENNESS_OF_TITLES
        or _coverage(text, chosen) < MIN_COVERAGE_OF_TITLES
    ):
        return []
    return chosen


def is_numbered(heading: Heading) -> bool:
    """Return whether a heading has a number, which may be one that cannot be read."""
    return heading.form != NAME


def _groups(candidates: Sequence[Heading]) -> Iterator[tuple[str, list[Heading]]]:
    """Yield the headings that are alike in form, with those that have names. Numbers may all have titles or none."""
    for form in dict.fromkeys(heading.form for heading in candidates if heading.form != NAME):
        alike = [heading for heading in candidates if heading.form in (form, NAME)]
        yield form, alike
        if form.startswith(NUMBER):
            for is_bare in (False, True):
                yield form, [heading for heading in alike if heading.form == NAME or heading.is_bare == is_bare]


def _sequence(text: str, form: str, headings: Sequence[Heading]) -> list[Heading]:
    if form in RANKS:
        unread = {heading.name for heading in headings if heading.number is None and heading.form == form}
        if len(unread) < MIN_HEADINGS and all(heading.number is None for heading in headings):
            headings = [heading for heading in headings if heading.form == NAME]
        return contents.without(text, _believed(headings))
    if form.startswith(NUMBER):
        numbers = [heading for heading in headings if heading.form == form]
        if sum(heading.step for heading in numbers) > MAX_IN_SENTENCES * len(numbers):
            headings = [heading for heading in headings if heading.form == NAME or not heading.step]
    headings = contents.without(text, headings)
    counted = set(map(id, _counted([heading for heading in headings if heading.form == form])))
    return [heading for heading in headings if heading.form == NAME or id(heading) in counted]


def _believed(headings: Sequence[Heading]) -> list[Heading]:
    """Remove the headings that are prose unless their number is 1 or one of the next."""
    kept: list[Heading] = []
    number = 0
    for heading in headings:
        if not heading.step or heading.number == 1 or number < (heading.number or 0) <= number + heading.step:
            kept.append(heading)
            number = heading.number or number
    return kept


def _counted(headings: Sequence[Heading]) -> list[Heading]:
    """Return the longest sequence that counts on. It may begin again, as in a second part, whose line is the first.

    Some numbers may be missing, since headings between may not be recognised.
    """
    #: For each number, the length of the longest sequence that ends with it, and the index of its last heading.
    longest: dict[int, tuple[int, int]] = {}
    before: list[int | None] = []
    best = (0, -1)
    for index, heading in enumerate(headings):
        number = heading.number or 0
        missed = range(1, MAX_STEP + 1)
        length, last = max((longest.get(number - step, (0, -1)) for step in missed), key=lambda end: end[0])
        if number <= LATEST_BEGINNING and length < best[0]:
            length, last = best
        if number > LATEST_BEGINNING and not length:
            before.append(None)
            continue
        if number == 1 and last >= 0 and headings[last].number == 1:
            length, last = 0, -1  # Two ones in a row: the first was none.
        before.append(last)
        if length + 1 > longest.get(number, (0, -1))[0]:
            longest[number] = (length + 1, index)
        best = max(best, (length + 1, index))
    kept: list[int] = []
    at: int | None = best[1]
    while at is not None and at >= 0:
        kept.append(at)
        at = before[at]
    return [headings[index] for index in reversed(kept)]


def _score(text: str, form: str, found: Sequence[Heading]) -> float:
    """Return the score of a sequence: its headings are many, of a good form, and evenly spread."""
    numbered = [heading for heading in found if is_numbered(heading)]
    if not numbered:
        return 0.0
    evenness, coverage = _evenness(text, numbered), _coverage(text, numbered)
    if form not in RANKS and (len(numbered) < MIN_HEADINGS or evenness < MIN_EVENNESS or coverage < MIN_COVERAGE):
        return 0.0
    # Numbers that begin again and again are those of scenes.
    begun = sum(heading.number == 1 for heading in numbered) or 1
    rank = RANKS.get(form) or (RANK_OF_NUMBER if form.startswith(NUMBER) else RANK_OF_WORD)
    return rank * len(numbered) * math.sqrt(min(evenness, 1.0)) * coverage / (1 if form in RANKS else begun)


def _evenness(text: str, found: Sequence[Heading]) -> float:
    """Return the median length of what is below the headings, as a share of the average length."""
    lengths = sorted(after - start for start, after in pairwise([*(heading.start for heading in found), len(text)]))
    return lengths[(len(lengths) - 1) // 2] * len(lengths) / max(sum(lengths), 1)


def _coverage(text: str, found: Sequence[Heading]) -> float:
    return 1 - found[0].start / max(len(text), 1)
