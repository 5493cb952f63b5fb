"""The compiled requirements follow pyproject.toml."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from aiWriting.environment import BASE_DIR

PROJECT = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]
#: The files, and the optional dependencies that they add.
FILES = {
    "requirements.txt": None,
    "requirements-dev.txt": "dev",
    "requirements-bench.txt": "bench",
    "requirements-s3.txt": "s3",
    "requirements-sentry.txt": "sentry",
    "requirements-otel.txt": "otel",
}


def declared(extra: str | None) -> list[Requirement]:
    """Return the dependencies and those of the extra; an extra may include another."""
    found = [Requirement(text) for text in PROJECT["dependencies"]]
    for text in PROJECT["optional-dependencies"][extra] if extra else ():
        requirement = Requirement(text)
        if requirement.name == PROJECT["name"]:
            found += [one for inner in requirement.extras for one in declared(inner)]
        else:
            found.append(requirement)
    return found


@pytest.mark.parametrize(("filename", "extra"), FILES.items())
def test_every_dependency_is_pinned_to_an_allowed_version(filename: str, extra: str | None) -> None:
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)", (BASE_DIR / filename).read_text(), flags=re.MULTILINE))
    stale = [str(one) for one in declared(extra) if pinned.get(canonicalize_name(one.name), "") not in one.specifier]
    assert stale == [], "run bin/compile-requirements"


@pytest.mark.parametrize("filename", FILES)
def test_every_pinned_package_has_hashes(filename: str) -> None:
    entries = re.split(r"\n(?=\S)", (BASE_DIR / filename).read_text())
    pinned = [entry for entry in entries if "==" in entry.partition("\n")[0]]
    assert pinned
    assert [entry for entry in pinned if "--hash=sha256:" not in entry] == []
