"""From the lines of pages to paragraphs."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from apps.documents.analysis import words

#: A running head stands on so many pages, and on this share of them.
MIN_HEADS = 3
HEADS_SHARE = 0.25

#: Lines are so many times as far apart as usual where a paragraph ends.
PARAGRAPH_GAP = 1.3
#: A first line is set in by so many points, but not by more than the second.
MIN_INDENT, MAX_INDENT = 6.0, 80.0
#: A line that ends so much before the others, as a share of their length, ends a paragraph if its sentence ends.
SHORT_SHARE = 0.12

#: A table of contents has so many lines.
MIN_CONTENTS_LINES = 3

#: What the library puts where a word was divided at the end of a line; what it is not, is for us to say.
DIVISION = "\ufffe"

_SENTENCE_ENDS = (*".!?…:\"”\u2019'»)—",)
_CONTENTS_TITLE = re.compile(
    r"(?:table of )?contents|inhalt(?:sverzeichnis)?|table des mati[eè]res|sommaire", re.IGNORECASE
)
#: The number of a page at the end of a line of contents, with the dots before it.
_PAGE_NUMBER = re.compile(r"[\s.…_]*\s*\d+$")
_NUMBER = re.compile(r"\d+")
_DIVIDED = re.compile(rf"([^\W\d_]+)[{DIVISION}\x02]([^\W\d_]*)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A line of a page, without white space around it.

    Parameters:
      left, right, baseline: Where it stands, in points from the lower left corner of the page. None: not known.
    """

    text: str
    left: float | None = None
    right: float | None = None
    baseline: float | None = None


def text(pages: Iterable[Sequence[Line]]) -> str:
    """The text of pages: lines as they are, an empty line between paragraphs."""
    return _undivided("".join(_joined(_without_contents(_without_heads([list(page) for page in pages])))))


def _without_heads(pages: list[list[Line]]) -> list[list[Line]]:
    """The pages without what stands at the top or the bottom of many: page numbers, the title, the author."""
    for end in (0, -1):
        keys = [_head_key(page[end].text, index) if page else None for index, page in enumerate(pages)]
        counts = Counter(key for key in keys if key is not None)
        enough = max(MIN_HEADS, HEADS_SHARE * len(pages))
        for page, key in zip(pages, keys, strict=True):
            # A page of one line may be a title.
            if key is not None and len(page) > 1 and counts[key] >= enough:
                del page[end]
    return pages


def _head_key(line: str, index: int) -> str:
    """The same for lines that differ only as the numbers of their pages do."""
    return _NUMBER.sub(lambda match: f"#{int(match[0]) - index}" if len(match[0]) < 6 else "#", line)


def _without_contents(pages: list[list[Line]]) -> list[list[Line]]:
    """The pages without a table of contents: a line that says so, and below it lines that come again as headings."""
    lines = [line for page in pages for line in page]
    counts = Counter(line.text for line in lines)
    dropped: set[int] = set()
    for index, line in enumerate(lines):
        if not _CONTENTS_TITLE.fullmatch(line.text):
            continue
        entries: set[str] = set()
        for entry in lines[index + 1 :]:
            said = entry.text if counts[entry.text] > 1 else _PAGE_NUMBER.sub("", entry.text)
            # The first heading ends the table: it is said for the second time.
            if said in entries or counts[said] < (2 if said == entry.text else 1):
                break
            entries.add(said)
        if len(entries) >= MIN_CONTENTS_LINES:
            dropped.update(id(gone) for gone in lines[index : index + 1 + len(entries)])
    return [[line for line in page if id(line) not in dropped] for page in pages]


def _joined(pages: Iterable[Sequence[Line]]) -> Iterable[str]:
    before: Line | None = None
    for page in pages:
        layout = _Layout.of(page)
        for line in page:
            if before is not None:
                yield "\n\n" if layout.begins_paragraph(before, line, on_new_page=line is page[0]) else "\n"
            yield line.text
            before = line
    yield "\n" if before is not None else ""


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """How a page is set, in points.

    Parameters:
      pitch: How far apart lines usually are; 0 where that is not known.
      left, right: Where most lines begin, and where full lines end.
    """

    pitch: float
    left: float
    right: float

    @classmethod
    def of(cls, page: Sequence[Line]) -> "_Layout":
        lefts = Counter(round(line.left) for line in page if line.left is not None)
        rights = sorted(line.right for line in page if line.right is not None)
        pitches = [
            above.baseline - below.baseline
            for above, below in pairwise(page)
            if above.baseline is not None and below.baseline is not None and above.baseline > below.baseline
        ]
        return cls(
            pitch=median(pitches) if pitches else 0.0,
            # Of those where many lines begin, the leftmost: dialogue may have more first lines than others.
            left=float(min((left for left, count in lefts.items() if count >= max(lefts.values()) / 4), default=0)),
            right=rights[int(len(rights) * 0.9)] if rights else 0.0,
        )

    def begins_paragraph(self, before: Line, line: Line, *, on_new_page: bool) -> bool:
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
        """Whether two lines are set in alike, as the lines of a quotation are; first lines end like sentences."""
        if before.left is None or line.left is None or before.text.endswith(_SENTENCE_ENDS):
            return False
        return abs(before.left - line.left) < MIN_INDENT / 2


def _undivided(text: str) -> str:
    """The text with divided words put together again: with their hyphen where the text has them so elsewhere."""
    if DIVISION not in text and "\x02" not in text:
        return text
    known = {match[0].lower() for match in words.WORD.finditer(text)}

    def put_together(match: re.Match[str]) -> str:
        first, second = match[1], match[2]
        whole, hyphenated = f"{first}{second}", f"{first}-{second}"
        if whole.lower() in known:
            return whole
        apart = first.lower() in known and second.lower() in known
        return hyphenated if apart or hyphenated.lower() in known or not second else whole

    return _DIVIDED.sub(put_together, text).replace(DIVISION, "-").replace("\x02", "-")
