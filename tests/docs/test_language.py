"""The language of docstrings and comments, as docs/glossary.md asks for it."""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("aiWriting", "apps", "benchmarks", "bin", "tests", "workers")
#: Hits for every 1,000 words, at most.
LIMIT = 0.5

#: Sentences that open with a clause instead of a verb or the name of the thing.
OPENING = re.compile(
    r"(?:^|[.:;!?]\s+|\n\s*)"
    r"(What|Who|Whoever|How many|How much|How long|How often|How soon|So many|So long|So much|So often)\b"
)
#: Words that say a quantity or a subject vaguely.
FILLER = re.compile(r"\b(so many|so long|so often|so much|somebody|nobody|is told|are told)\b", re.IGNORECASE)


def texts(source: str) -> list[str]:
    """Return the comments and docstrings of a module."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    found = [token.string.lstrip("#: ") for token in tokens if token.type == tokenize.COMMENT]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.append(ast.get_docstring(node) or "")
    return found


def hits(text: str) -> list[str]:
    """Return the words of a text that the glossary does not want."""
    return [match.group(1) for pattern in (OPENING, FILLER) for match in pattern.finditer(text)]


@pytest.mark.parametrize("folder", FOLDERS)
def test_comments_and_docstrings_speak_plainly(folder: str) -> None:
    words, found = 0, []
    for path in sorted((ROOT / folder).rglob("*.py")):
        if "migrations" in path.parts:
            continue
        for text in texts(path.read_text()):
            words += len(text.split())
            found += [f"{path.relative_to(ROOT)}: {hit}" for hit in hits(text)]
    assert words, f"no comment in {folder}"
    assert 1000 * len(found) / words <= LIMIT, found


@pytest.mark.parametrize("text", ["How many rows are taken.", "Rows.\nWho may see it.", "Taken by somebody."])
def test_words_outside_the_glossary_are_found(text: str) -> None:
    assert hits(text)
