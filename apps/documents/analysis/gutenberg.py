"""Remove the header, the credit line and the licence that Project Gutenberg puts around a book."""

import re

_START = re.compile(
    r"^\*{3} ?START OF (?:THE|THIS) PROJECT GUTENBERG E-?(?:BOOK|TEXT)[^*]{0,500}\*{3}[^\S\n]*$"
    r"|^\*END[* ]+THE SMALL PRINT!.{0,200}\*END\*[^\S\n]*$",
    re.IGNORECASE | re.MULTILINE,
)
_END = re.compile(r"^\*{3} ?END OF (?:THE|THIS) PROJECT GUTENBERG E-?(?:BOOK|TEXT)\b", re.IGNORECASE | re.MULTILINE)
#: Sentence of older files, above the line of stars or instead of it.
_END_SENTENCE = re.compile(
    r"^[^\S\n]*End of (?:the |this )?Project Gutenberg(?:'s|\u2019s| E-?(?:book|text))\b.{0,300}$",
    re.IGNORECASE | re.MULTILINE,
)
_VISIBLE = re.compile(r"\S")
_CREDIT = re.compile(
    r"(?:Produced by|E-?text prepared by|This e-?(?:book|text) was (?:produced|prepared|created) (?:by|from)"
    r"|Transcribed from)\b"
    r"(?:[^\n]++(?:\n|\Z)){1,12}",
    re.IGNORECASE,
)


def without_licence(text: str) -> str:
    """Return the book alone. Any other text, and one that would become empty, is returned as it is.

    Removed are the header up to the line that starts the book, a credit such as "Produced by Anonymous Volunteers"
    directly below it, and everything from the line that ends the book, with the sentence above it that says the same.
    """
    first = _START.search(text)
    start = first.end() if first else 0
    if first:
        visible = _VISIBLE.search(text, start)
        if visible and (credit := _CREDIT.match(text, visible.start())):
            start = credit.end()
    last = _END.search(text, start)
    sentence = _END_SENTENCE.search(text, start, last.start() if last else len(text))
    # Without a start line or a line of stars, the sentence may be the author's own.
    marks = [mark.start() for mark in (last, sentence if first or last else None) if mark]
    end = min(marks, default=len(text))
    if not (start or marks):
        return text
    book = text[start:end].strip("\n")
    return book if book and not book.isspace() else text
