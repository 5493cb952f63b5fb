"""Read the deployment files, and the processes that they start."""

import configparser
import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from dockerfile_parse import DockerfileParser

from aiWriting.environment import BASE_DIR

DEPLOY = BASE_DIR / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process of ours, as a file starts it.

    Parameters:
      file, name: The file, and the name of the process in it.
      argv: Program and arguments.
      grace_seconds: Seconds between SIGTERM and SIGKILL. None: the file does not say.
      variables: Names of environment variables that the file sets.
    """

    file: str
    name: str
    argv: list[str]
    grace_seconds: float | None = None
    variables: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.file}:{self.name}"


def procfile() -> dict[str, str]:
    return dict(line.split(": ", 1) for line in (BASE_DIR / "Procfile").read_text().splitlines())


def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((BASE_DIR / "docker-compose.yml").read_text()))


def app_json() -> dict[str, Any]:
    return dict(json.loads((BASE_DIR / "app.json").read_text()))


def dockerfile() -> list[dict[str, Any]]:
    """Return the instructions of the Dockerfile."""
    return list(DockerfileParser(path=str(BASE_DIR / "Dockerfile")).structure)


def instructions(name: str) -> list[str]:
    """Return the values of an instruction of the Dockerfile, in order."""
    return [one["value"] for one in dockerfile() if one["instruction"] == name]


def manifests() -> list[dict[str, Any]]:
    return [one for path in MANIFESTS for one in yaml.safe_load_all(path.read_text())]


def unit(path: Any) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(path)
    return parser


def env_example() -> list[str]:
    """Return the names of the variables in the example, those behind a # included."""
    lines = (DEPLOY / "env.example").read_text().splitlines()
    return [name for line in lines for name, sign, _ in [line.lstrip("#").partition("=")] if sign and name.isupper()]


def processes() -> Iterator[Process]:
    """Yield the processes of all files."""
    yield Process(file="Dockerfile", name="web", argv=json.loads(instructions("CMD")[-1]))
    services = compose()["services"]
    for name, service in services.items():
        if service["image"] == "aiwriting":
            yield Process(
                file="docker-compose.yml",
                name=name,
                argv=service.get("command") or json.loads(instructions("CMD")[-1]),
                grace_seconds=seconds(service["stop_grace_period"]) if "stop_grace_period" in service else None,
                variables=list(service["environment"]),
            )
    for path in UNITS:
        if path.suffix == ".service":
            service = unit(path)["Service"]
            grace = service.get("TimeoutStopSec")
            yield Process(
                file=path.name,
                name=path.stem.removeprefix("aiwriting-"),
                argv=[word.removeprefix("/opt/aiwriting/.venv/bin/") for word in shlex.split(service["ExecStart"])],
                grace_seconds=float(grace) if grace else None,
            )
    for manifest in manifests():
        if manifest["kind"] in ("Deployment", "Job"):
            pod = manifest["spec"]["template"]["spec"]
            for container in pod["containers"]:
                yield Process(
                    file="aiwriting.yaml",
                    name=container["name"],
                    argv=container.get("command") or json.loads(instructions("CMD")[-1]),
                    grace_seconds=pod.get("terminationGracePeriodSeconds"),
                    variables=[one["name"] for one in container.get("env", ())],
                )


def seconds(duration: str) -> float:
    """Return the seconds of a duration such as 45s or 2m."""
    return float(duration[:-1]) * {"s": 1, "m": 60}[duration[-1]]
