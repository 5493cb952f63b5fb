"""Read the pages of the documentation."""

from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from aiWriting.environment import BASE_DIR

DOCS = BASE_DIR / "docs"
README = BASE_DIR / "README.md"
#: Pages that describe the project as it is now.
PAGES = sorted([README, BASE_DIR / "CONTRIBUTING.md", BASE_DIR / "SECURITY.md", *DOCS.rglob("*.md")])


def name_of(page: Path) -> str:
    """Return the page's path from the root of the project."""
    return page.relative_to(BASE_DIR).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of a language."""
    return [token.content for token in _tokens(page) if token.type == "fence" and token.info.strip() == language]


def code_words(page: Path) -> list[str]:
    """Return the words in backticks, outside code blocks."""
    return [child.content for token in _inline(page) for child in token.children or () if child.type == "code_inline"]


def prose(page: Path) -> list[str]:
    """Return each heading, paragraph, list item and cell as one line, with words in backticks left out."""
    lines = []
    for token in _inline(page):
        parts = [" " if child.type == "softbreak" else child.content for child in _spoken(token)]
        lines.append("".join(parts).strip())
    return lines


def rows(page: Path, *, header: str) -> list[list[str]]:
    """Return the cells of all tables whose first column has this header, row by row."""
    found: list[list[str]] = []
    table: list[list[str]] = []
    for line in [*page.read_text().splitlines(), ""]:
        if line.startswith("|"):
            table.append([cell.strip() for cell in line.strip("|").split("|")])
        else:
            if table and table[0][0] == header:
                found += table[2:]
            table = []
    return found


def _tokens(page: Path) -> list[Token]:
    return MarkdownIt().enable("table").parse(page.read_text())


def _inline(page: Path) -> Iterator[Token]:
    return (token for token in _tokens(page) if token.type == "inline")


def _spoken(token: Token) -> Iterator[Token]:
    return (child for child in token.children or () if child.type in ("text", "softbreak"))
