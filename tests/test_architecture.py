"""The import graph: no two modules need each other, not even for type checkers or inside functions."""

import sys
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    sys.path.insert(0, str(ROOT))
    try:
        return grimp.build_graph("aiWriting", "workers", "apps", exclude_type_checking_imports=False, cache_dir=None)
    finally:
        sys.path.remove(str(ROOT))


def circles(graph: grimp.ImportGraph) -> Iterator[list[str]]:
    """Yield a chain of imports from each module back to itself."""
    for module in sorted(graph.modules):
        for imported in sorted(graph.find_modules_directly_imported_by(module)):
            if chain := graph.find_shortest_chain(importer=imported, imported=module):
                yield [module, *chain]


def test_no_two_modules_need_each_other(graph: grimp.ImportGraph) -> None:
    assert list(circles(graph)) == []


def test_a_circle_would_be_found() -> None:
    graph = grimp.ImportGraph()
    for importer, imported in (("a", "b"), ("b", "c"), ("c", "a")):
        graph.add_import(importer=importer, imported=imported)
    assert ["a", "b", "c", "a"] in list(circles(graph))
