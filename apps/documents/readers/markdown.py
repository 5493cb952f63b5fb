"""Markdown. It looks like plain text, so its name tells it apart."""

import re
from collections.abc import Iterator

from apps.documents.readers import plain_text, signatures, web_page
from apps.documents.readers.blocks import Blocks
from apps.documents.readers.limits import Limits
from apps.documents.readers.progress import OnProgress, ignore
from apps.documents.readers.source import Source

SUFFIXES = (".md", ".markdown", ".mdown", ".mkd")

#: Least characters of a piece of a long text. The parser holds a whole piece in memory.
PIECE_CHARACTERS = 200_000

#: Title, author and the like, which some programs put above the text.
_FRONT_MATTER = re.compile(
    r"\A\ufeff?(?:---[^\S\n]*\n(?:.*\n)*?(?:---|\.\.\.)|\+\+\+[^\S\n]*\n(?:.*\n)*?\+\+\+)[^\S\n]*(?:\n|\Z)"
)
#: Marks of Obsidian, pandoc and CriticMarkup: links, tasks, callouts, attributes, divisions, changes.
_FURTHER_MARKS = re.compile(
    r"!\[\[[^\[\]\n]{1,200}\]\]|\[\[(?:[^\[\]|\n]{1,200}\|)?(?P<link>[^\[\]|\n]{1,200})\]\]"
    r"|(?<=[-*+] )\[[ xX]\] |(?<=^> )\[![a-z]{1,20}\][+-]?|[^\S\n]\^[\w-]{1,40}$"
    r"|[^\S\n]?\{[#.][^{}\n]{0,200}\}|^:::.*$|^\[toc\][^\S\n]*$|^\*\[[^\]\n]{1,40}\]:.*$"
    r"|\{--[^{}\n]{0,500}--\}|\{>>[^{}\n]{0,500}<<\}|\{(?:\+\+|~~|==)|(?:\+\+|~~|==)\}",
    re.MULTILINE | re.IGNORECASE,
)
#: A note with its indented lines, the mark of a note, a note in the text, and a comment of Obsidian. Bounded, and no
#: note in the text has another one, so that no line takes long.
_NOTES = re.compile(
    r"^ {0,3}\[\^[^\]\n]{1,100}\]:.*+(?>(?:\n(?>(?:[^\S\n]*+\n)*)(?:\t|  )[^\S\n]*+\S.*"
    r"|\n(?!\t|  |[^\S\n]*+(?:\n|\Z|\[\^|#|>|[-*+] )).+)*)"
    r"|\[\^[^\]\s]{1,100}\]|\^\[(?:[^\]\n^]|\^(?!\[)){0,1000}+\]|%%(?s:.*?)%%",
    re.MULTILINE,
)
_FENCE = re.compile(r"^ {0,3}(```+|~~~+)")


def claims(source: Source) -> bool:
    return source.suffix in SUFFIXES and signatures.recognised(source.head) is None


def check(source: Source, limits: Limits) -> None:
    plain_text.check(source, limits)


def read(source: Source, limits: Limits, on_progress: OnProgress) -> str:
    """Return the text without Markdown's marks, notes and comments, each paragraph and heading between empty lines."""
    from markdown_it import MarkdownIt

    text = plain_text.decoded(source.content(), encoding=source.encoding).replace("\r\n", "\n").replace("\r", "\n")
    text = _NOTES.sub("", _FRONT_MATTER.sub("", text, count=1))
    text = _FURTHER_MARKS.sub(lambda mark: mark["link"] or "", text)
    # Markdown may contain HTML. The tags pass here, and the reader of web pages removes them.
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    known: dict[str, object] = {}
    found = Blocks()
    done = 0
    for piece in filter(str.strip, pieces(text)):
        page = parser.render(piece, known)
        found.done.append(web_page.text_of(page, on_progress=ignore).rstrip("\n"))
        done += len(piece)
        on_progress(done / len(text), "Reading the Markdown")
    return found.text()


def pieces(text: str) -> Iterator[str]:
    """Yield the text in pieces, cut at empty lines between paragraphs: not in code, nor before an indented line."""
    piece: list[str] = []
    size = 0
    fence = ""
    for line in text.splitlines(keepends=True):
        begins_afresh = not line[:1].isspace() and (not piece or piece[-1].isspace())
        if size >= PIECE_CHARACTERS and begins_afresh and not fence:
            yield "".join(piece)
            piece, size = [], 0
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1].startswith(fence):
            fence = ""
        piece.append(line)
        size += len(line)
    yield "".join(piece)
