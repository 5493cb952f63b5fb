"""The compiled requirements follow pyproject.toml."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from check_jsonschema import builtin_schemas
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
    "requirements-audit.txt": "audit",
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


# --- Updates -------------------------------------------------------------------------------------

GITHUB = BASE_DIR / ".github"
SCHEMAS = Path(builtin_schemas.__file__).parent / "vendor"


def checked(path: Path, schema: str) -> dict[str, Any]:
    """Return a file of GitHub's that has the form of the schema."""
    # YAML 1.1 takes the key `on` for a truth value.
    found = {"on" if key is True else key: value for key, value in yaml.safe_load(path.read_text()).items()}
    jsonschema.validate(found, json.loads((SCHEMAS / schema).read_text()))
    return found


@pytest.mark.parametrize("path", sorted((GITHUB / "workflows").iterdir()), ids=lambda path: path.name)
def test_a_workflow_has_the_form_that_github_wants(path: Path) -> None:
    assert checked(path, "github-workflows.json")["permissions"] == {"contents": "read"}


def test_known_faults_of_packages_are_looked_for_each_day() -> None:
    workflow = checked(GITHUB / "workflows" / "audit.yml", "github-workflows.json")
    (start,) = workflow["on"]["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* \*", start["cron"])
    assert {"run": "bin/audit"} in workflow["jobs"]["audit"]["steps"]
    program = (BASE_DIR / "bin" / "audit").read_text()
    assert "for file in requirements*.txt" in program
    assert 'pip-audit" --strict' in program, "a package that cannot be looked up fails"
    assert {path.name for path in BASE_DIR.glob("requirements*.txt")} == set(FILES)


def test_newer_versions_are_proposed_each_week() -> None:
    updates = checked(GITHUB / "dependabot.yml", "dependabot.json")["updates"]
    assert {one["package-ecosystem"]: one["schedule"]["interval"] for one in updates} == {
        "pip": "weekly", "github-actions": "weekly",
    }  # fmt: skip
