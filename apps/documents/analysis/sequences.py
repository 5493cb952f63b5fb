"""Choose the headings that are the chapters of a text: whole sequences of one form are compared by a score."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from apps.documents.analysis import contents
from apps.documents.analysis.headings import CHAPTER, NAME, NUMBER, PART, Heading

#: What a form of headings counts. Any word stands between a word for a chapter and a number.
RANKS = {CHAPTER: 10.0, PART: 0.6}
RANK_OF_WORD, RANK_OF_NUMBER = 2.0, 1.0
#: Least evenness and least share of the text of a sequence without a word for a chapter. Lists and notes have less.
MIN_EVENNESS, MIN_COVERAGE = 0.08, 0.3
#: Fewest headings of such a sequence.
MIN_HEADINGS = 2
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
    """Return the longest sequence that counts on. It may begin again at 1, as in a second part.

    Some numbers may be missing, since headings between may not be recognised.
    """
    #: For each number, the length of the longest sequence that ends with it, and the index of its last heading.
    longest: dict[int, tuple[int, int]] = {}
    before: list[int | None] = []
    best = (0, -1)
    for index, heading in enumerate(headings):
        number = heading.number or 0
        if number > 1:
            missed = range(1, MAX_STEP + 1)
            length, last = max((longest.get(number - step, (0, -1)) for step in missed), key=lambda end: end[0])
        else:
            length, last = best
        if number > 2 and not length:
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
    lengths = _lengths(text, numbered)
    evenness = _median(lengths) * len(lengths) / max(sum(lengths), 1)
    coverage = 1 - numbered[0].start / max(len(text), 1)
    if form not in RANKS and (len(numbered) < MIN_HEADINGS or evenness < MIN_EVENNESS or coverage < MIN_COVERAGE):
        return 0.0
    # Numbers that begin again and again are those of scenes.
    begun = sum(heading.number == 1 for heading in numbered) or 1
    rank = RANKS.get(form) or (RANK_OF_NUMBER if form.startswith(NUMBER) else RANK_OF_WORD)
    return rank * len(numbered) * math.sqrt(min(evenness, 1.0)) * coverage / (1 if form in RANKS else begun)


def _lengths(text: str, found: Sequence[Heading]) -> list[int]:
    starts = [*(heading.start for heading in found), len(text)]
    return [after - start for start, after in pairwise(starts)]


def _median(lengths: Sequence[int]) -> int:
    return sorted(lengths)[(len(lengths) - 1) // 2] if lengths else 0
