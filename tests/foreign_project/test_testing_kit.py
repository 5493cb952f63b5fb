"""The examples of docs/testing.md and docs/first-task.md pass in a foreign project, by both test runners."""

import re
from collections.abc import Iterator

import pytest

from tests.docs import pages
from tests.foreign_project.project import DATABASE_NAMES, ForeignProject, variant_of
from tests.plugin import SERVERS

pytestmark = pytest.mark.processes

PAGE, FIRST = pages.DOCS / "testing.md", pages.DOCS / "first-task.md"


@pytest.fixture(scope="module")
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForeignProject]:
    """The project of docs/adopting.md, with the files of both pages."""
    servers = request.config.stash[SERVERS]
    database = request.config.getoption("--database")
    found = ForeignProject(
        tmp_path_factory.mktemp("tested"),
        variants=set(),
        database=database,
        database_url=servers.database_url,
        redis_url=servers.redis_url,
        only_listed=False,
        changes={},
    )
    for block in [*pages.blocks(PAGE, "python"), *pages.blocks(FIRST, "python"), *pages.blocks(PAGE, "toml")]:
        if variant_of(block) in {"", f"on {DATABASE_NAMES[database]}"}:
            first, _, text = block.partition("\n")
            with (found.directory / first.removeprefix("# ").partition(",")[0]).open("a") as file:
                file.write(text + "\n")
    found.make_database()
    yield found
    found.drop_database()


def test_the_examples_pass_by_djangos_runner(project: ForeignProject) -> None:
    output = project.manage("test")
    assert "Ran 14 tests" in output
    assert "OK" in output


def test_the_examples_pass_by_pytest(project: ForeignProject) -> None:
    output = project.run("-m", "pytest", "-p", "no:randomly", "-p", "no:cacheprovider")
    assert re.search(r"18 passed", output)


@pytest.mark.once
def test_the_functions_of_the_page_are_those_of_the_kit() -> None:
    from workers import testing

    listed = {re.findall(r"\w+", row[0])[0] for row in pages.rows(PAGE, header="function")}
    assert listed | {"MisuseError"} == set(testing.__all__)
