"""Each deployment file has the form that its tool wants. No Docker and no Kubernetes is needed to try it."""

import copy
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
from check_jsonschema import builtin_schemas

from tests.deploy import files

KUBERNETES = "1.34"
#: Instructions of a Dockerfile (reference, version 1).
INSTRUCTIONS = {"ARG", "CMD", "COPY", "COMMENT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "RUN", "USER", "WORKDIR"}
#: Keys of app.json (Heroku's schema) and of its parts.
APP_KEYS = {"name", "description", "keywords", "env", "formation", "addons", "buildpacks"}
ENV_KEYS = {"description", "value", "required", "generator"}


@pytest.fixture(scope="module")
def compose_schema() -> dict[str, Any]:
    path = Path(builtin_schemas.__file__).parent / "vendor" / "compose-spec.json"
    return dict(json.loads(path.read_text()))


def test_the_compose_file_follows_the_compose_specification(compose_schema: dict[str, Any]) -> None:
    jsonschema.validate(files.compose(), compose_schema)


@pytest.mark.parametrize(
    "wrong",
    [
        {"helthcheck": {}},
        {"stop_grace_period": ["40s"]},
        {"depends_on": {"db": {"condition": "healthy"}}},
        {"restart": False},
    ],
)
def test_a_wrong_compose_file_is_refused(compose_schema: dict[str, Any], wrong: dict[str, Any]) -> None:
    compose = copy.deepcopy(files.compose())
    compose["services"]["worker"] |= wrong
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(compose, compose_schema)


@pytest.mark.parametrize("manifest", files.manifests(), ids=lambda one: f"{one['kind']}/{one['metadata']['name']}")
def test_a_manifest_follows_the_schema_of_kubernetes(manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


@pytest.mark.parametrize("wrong", [{"livenesProbe": {}}, {"ports": [{"containerPort": "8000"}]}, {"command": "sh"}])
def test_a_wrong_manifest_is_refused(wrong: dict[str, Any]) -> None:
    manifest = next(copy.deepcopy(one) for one in files.manifests() if one["kind"] == "Deployment")
    manifest["spec"]["template"]["spec"]["containers"][0] |= wrong
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_the_dockerfile_has_known_instructions() -> None:
    assert {one["instruction"] for one in files.dockerfile()} == INSTRUCTIONS


def test_the_app_has_the_keys_that_heroku_knows() -> None:
    app = files.app_json()
    assert set(app) <= APP_KEYS
    for name, variable in app["env"].items():
        assert set(variable) <= ENV_KEYS, name
        assert variable.get("generator", "secret") == "secret"
    assert all(set(size) == {"quantity", "size"} for size in app["formation"].values())
    assert all(set(addon) == {"plan"} for addon in app["addons"])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    # Units name programs of the machine that they are for. What is verified has one that exists.
    for path in files.UNITS:
        text = path.read_text()
        for program in ("python", "uvicorn"):
            text = text.replace(f"ExecStart=/opt/aiwriting/.venv/bin/{program}", f"ExecStart={shutil.which('true')}")
        (tmp_path / path.name).write_text(text)
    units = [str(path) for path in sorted(tmp_path.iterdir())]

    verified = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")


@pytest.mark.parametrize("path", files.UNITS, ids=lambda path: path.name)
def test_a_unit_has_its_sections(path: Path) -> None:
    wanted = {"Unit", "Service"} if path.suffix == ".service" else {"Unit", "Install"}
    assert set(files.unit(path).sections()) >= wanted
