"""Join the lines of PDF pages to paragraphs."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from apps.documents.analysis import headings, words
from apps.documents.analysis.vocabulary import is_contents

#: Least number and least share of pages on which a line must stand to be a running head.
MIN_HEADS = 3
HEADS_SHARE = 0.25

#: Pages from one running head with the chapter's name to the next. It stands on every page, or on left or right ones.
PAGES_BETWEEN_HEADS = 2

#: Distance of two lines between which a paragraph ends, as a multiple of the usual one.
PARAGRAPH_GAP = 1.3
#: Least and largest indent of the first line of a paragraph, in points.
MIN_INDENT, MAX_INDENT = 6.0, 80.0
#: Share of the line length that the last line of a paragraph stays short of. Its sentence ends, too.
SHORT_SHARE = 0.12

#: Largest distance of a large first letter from its line, and height of its line above its foot, in points.
MAX_CAP_GAP, MAX_CAP_HEIGHT = 20.0, 80.0

#: Most large first letters on a page.
MAX_CAPS = 10

#: Fewest lines of a table of contents.
MIN_CONTENTS_LINES = 3

#: The library's mark of a word that was divided at the end of a line. It also marks true hyphens there.
DIVISION = "\ufffe"

_SENTENCE_ENDS = (*".!?…:\"”\u2019'»)—",)
#: Page number at the end of a line of contents, with the dots before it.
_PAGE_NUMBER = re.compile(r"(?:(?<![\s.…_])[\s.…_]++|(?<![\s.…_\d]))\d++$")
_DROP_CAP = re.compile("[\"“\u2018'«„]?[^\\W\\d_]")
_NUMBER = re.compile(r"\d+")
_DIVIDED = re.compile(rf"(?<![^\W\d_])([^\W\d_]++)[{DIVISION}\x02]([^\W\d_]*+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A line of a page, without white space around it.

    Parameters:
      left, right, baseline: Its place, in points from the lower left corner of the page. None: unknown.
      mark: Marks of the headings that it begins.
      is_heading: Whether nothing of the text stands in it.
    """

    text: str
    left: float | None = None
    right: float | None = None
    baseline: float | None = None
    mark: str = ""
    is_heading: bool = False


def text(pages: Iterable[Sequence[Line]]) -> str:
    """Return the text of pages: lines as they are, and an empty line between paragraphs."""
    joined = "".join(_joined(_without_contents(_without_heads(_with_drop_caps([list(page) for page in pages])))))
    # Glyphs without a known character come as NULs.
    return _undivided(joined.replace("\x00", ""))


def _with_drop_caps(pages: list[list[Line]]) -> list[list[Line]]:
    """Return the pages with each large first letter put before the highest line to the right of it."""
    caps = [(page, line) for page in pages for line in _caps(page)]
    known = {word.lower() for page in pages if caps for line in page for word in words.WORD.findall(line.text)}
    for page, cap in caps:
        beside = [line for line in page if _stands_beside(cap, line)]
        if not beside:
            continue
        first = max(beside, key=lambda line: line.baseline or 0)
        rest = words.WORD.match(first.text)
        # The letter may be a word of its own: "A man".
        is_word = rest and rest[0] in known and f"{cap.text[-1]}{rest[0]}".lower() not in known
        gap = " " if is_word and cap.text[-1].lower() in known else ""
        page[page.index(first)] = replace(first, text=f"{cap.text}{gap}{first.text}", left=cap.left)
        page.remove(cap)
    return pages


def _caps(page: Sequence[Line]) -> list[Line]:
    """Return the lines of one large letter. Many of them on a page are no first letters."""
    caps = [line for line in page if _DROP_CAP.fullmatch(line.text) and line.text[-1].isupper()]
    return caps if len(caps) <= MAX_CAPS else []


def _stands_beside(cap: Line, line: Line) -> bool:
    if None in (cap.right, cap.baseline, line.left, line.baseline) or not line.text[0].islower():
        return False
    right = (line.left or 0) - (cap.right or 0)
    above = (line.baseline or 0) - (cap.baseline or 0)
    return -MIN_INDENT <= right <= MAX_CAP_GAP and -MIN_INDENT <= above <= MAX_CAP_HEIGHT


def _without_heads(pages: list[list[Line]]) -> list[list[Line]]:
    """Return the pages without their first and last lines that stand on many: page numbers, title, author."""
    for end in (0, -1):
        keys = [_head_key(page[end].text, index) if page else None for index, page in enumerate(pages)]
        counts = Counter(key for key in keys if key is not None)
        enough = max(MIN_HEADS, HEADS_SHARE * len(pages))
        ends = [page[end].text if page else "" for page in pages]
        for index, (page, key) in enumerate(zip(pages, keys, strict=True)):
            # A page of one line may be a title.
            if key is None or len(page) < 2 or page[end].mark:
                continue
            if headings.names_a_chapter(ends[index]):
                # Above its chapter the line is the heading; on the pages that follow it is a running head.
                is_head = ends[index] in ends[max(0, index - PAGES_BETWEEN_HEADS) : index]
            else:
                is_head = counts[key] >= enough
            if is_head:
                del page[end]
    return pages


def _head_key(line: str, index: int) -> str:
    """Return a key that is the same for lines that differ only as their page numbers do."""
    return _NUMBER.sub(lambda match: f"#{int(match[0]) - index}" if len(match[0]) < 6 else "#", line)


def _without_contents(pages: list[list[Line]]) -> list[list[Line]]:
    """Return the pages without tables of contents: a title line, and below it lines that come again as headings."""
    lines = [line for page in pages for line in page]
    counts = Counter(line.text for line in lines)
    dropped: set[int] = set()
    for index, line in enumerate(lines):
        if not is_contents(line.text):
            continue
        entries: set[str] = set()
        for at in range(index + 1, len(lines)):
            entry = lines[at]
            name = entry.text if counts[entry.text] > 1 else _PAGE_NUMBER.sub("", entry.text)
            # The first heading ends the table, in which it stood before.
            if name in entries or counts[name] < (2 if name == entry.text else 1):
                break
            entries.add(name)
        if len(entries) >= MIN_CONTENTS_LINES:
            dropped.update(id(gone) for gone in lines[index : index + 1 + len(entries)])
    return [[line for line in page if id(line) not in dropped] for page in pages]


def _joined(pages: Sequence[Sequence[Line]]) -> Iterable[str]:
    before: Line | None = None
    pitch = _least_usual(pitch for page in pages for pitch in _pitches(page))
    for page in pages:
        layout = _Layout.of(page, pitch=pitch)
        for line in page:
            if before is not None:
                yield "\n\n" if layout.begins_paragraph(before, line, on_new_page=line is page[0]) else "\n"
            yield f"{line.mark}{line.text}"
            before = line
    yield "\n" if before is not None else ""


def _pitches(page: Sequence[Line]) -> Iterator[float]:
    """Yield the distances of the lines of a page, in points."""
    for above, below in pairwise(page):
        if above.baseline is not None and below.baseline is not None and above.baseline > below.baseline:
            yield above.baseline - below.baseline


def _least_usual(numbers: Iterable[float]) -> float:
    """Return the least frequent-enough number: dialogue may have more first lines than others. 0: no number."""
    counts = Counter(round(number) for number in numbers)
    often = max(counts.values(), default=0) / 4
    return float(min((number for number, count in counts.items() if count >= often), default=0))


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """Layout of a page, in points.

    Parameters:
      pitch: Distance of the lines of a paragraph. 0: unknown.
      left, right: Start of lines without an indent, and end of full lines.
    """

    pitch: float
    left: float
    right: float

    @classmethod
    def of(cls, page: Sequence[Line], *, pitch: float) -> "_Layout":
        rights = sorted(line.right for line in page if line.right is not None)
        return cls(
            pitch=pitch,
            left=_least_usual(line.left for line in page if line.left is not None),
            right=rights[int(len(rights) * 0.9)] if rights else 0.0,
        )

    def begins_paragraph(self, before: Line, line: Line, *, on_new_page: bool) -> bool:
        if line.mark or before.is_heading:
            return True
        if line.left is None or before.right is None or not self.right > self.left:
            return False
        ends = before.text.endswith(_SENTENCE_ENDS)
        is_short = before.right < self.right - SHORT_SHARE * (self.right - self.left)
        indent = line.left - self.left
        is_set_in = MIN_INDENT <= indent <= MAX_INDENT and not self._stands_like(before, line)
        if on_new_page:
            return is_short or (ends and is_set_in)
        if before.baseline is None or line.baseline is None:
            return ends and is_short
        gap = before.baseline - line.baseline
        return gap > PARAGRAPH_GAP * self.pitch or gap < 0 or is_set_in or (ends and is_short)

    def _stands_like(self, before: Line, line: Line) -> bool:
        """Return whether two lines have the same indent, as in a quotation. First lines end like sentences."""
        if before.left is None or line.left is None or before.text.endswith(_SENTENCE_ENDS):
            return False
        return abs(before.left - line.left) < MIN_INDENT / 2


def _undivided(text: str) -> str:
    """Return the text with divided words joined again, with their hyphen if the text has them so elsewhere."""
    if DIVISION not in text and "\x02" not in text:
        return text
    # The halves do not count as known words.
    known = {match[0].lower() for match in words.WORD.finditer(_DIVIDED.sub(" ", text))}

    def put_together(match: re.Match[str]) -> str:
        first, second = match[1], match[2]
        whole, hyphenated = f"{first}{second}", f"{first}-{second}"
        if whole.lower() in known:
            return whole
        apart = first.lower() in known and second.lower() in known
        return hyphenated if apart or hyphenated.lower() in known or not second else whole

    return _DIVIDED.sub(put_together, text).replace(DIVISION, "-").replace("\x02", "-")
