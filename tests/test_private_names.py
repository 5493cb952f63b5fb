"""Tests use public names only, so that the inside of a module can change without them."""

import ast
import re
from collections.abc import Iterator

import pytest

from aiWriting.environment import BASE_DIR

OURS = ("aiWriting", "apps", "benchmarks", "workers")
#: Names that our modules define and Django's or Python's have too.
FOREIGN = {"_meta", "_replace", "_state"}
PRIVATE = re.compile(r"_[a-z]\w*", re.IGNORECASE)


def defined(tree: ast.AST) -> Iterator[str]:
    """Yield the private names that a module defines: functions, classes, variables and attributes."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name


def used(tree: ast.AST, private: set[str]) -> Iterator[str]:
    """Yield the uses of private names of other objects: as attributes, in imports, and as texts for `monkeypatch`."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                continue
            case ast.Attribute(attr=name) if name in private:
                yield name
            case ast.ImportFrom(module=module, names=names) if module and module.split(".")[0] in OURS:
                yield from (alias.name for alias in names if PRIVATE.fullmatch(alias.name))
            case ast.Call(func=ast.Attribute(attr="setattr" | "delattr" | "setitem"), args=args):
                texts = [arg.value for arg in args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
                yield from (name for text in texts for name in text.split(".") if name in private)


@pytest.fixture(scope="module")
def private() -> set[str]:
    """The private names of our modules."""
    sources = [path for folder in OURS for path in (BASE_DIR / folder).rglob("*.py")]
    names = {name for path in sources for name in defined(ast.parse(path.read_text()))}
    return {name for name in names if PRIVATE.fullmatch(name)} - FOREIGN


def test_no_test_uses_a_private_name_of_our_modules(private: set[str]) -> None:
    found = {
        str(path.relative_to(BASE_DIR)): uses
        for path in sorted((BASE_DIR / "tests").rglob("*.py"))
        if (uses := sorted(set(used(ast.parse(path.read_text()), private))))
    }
    assert found == {}


@pytest.mark.parametrize(
    "source",
    [
        "broker._record([])",
        "module.thing._record",
        "from workers.broker import _record",
        'monkeypatch.setattr(broker, "_record", None)',
        'monkeypatch.setattr("workers.broker._record", None)',
    ],
)
def test_a_use_of_a_private_name_is_found(source: str) -> None:
    assert list(used(ast.parse(source), {"_record"})) == ["_record"]


def test_an_object_may_use_its_own_private_names() -> None:
    assert list(used(ast.parse("self._record\ncls._record"), {"_record"})) == []
