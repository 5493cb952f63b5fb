"""The web as the Procfile and `bin/run` start it, and the entry points."""

import shlex
from pathlib import Path
from typing import Any

import pytest

from aiWriting.standalone import Standalone
from workers.embedded.server import free_port

#: Options of Uvicorn without which the outermost layer is not whole.
OPTIONS = {"--http": "aiWriting.gate.connection:Connection", "--ws": "none"}
FLAGS = {"--no-proxy-headers", "--no-server-header"}


def procfile_web() -> list[str]:
    lines = (Path(__file__).parents[2] / "Procfile").read_text().splitlines()
    return shlex.split(next(line.removeprefix("web: ") for line in lines if line.startswith("web: ")))


def standalone_web() -> list[str]:
    return list(next(child.argv for child in Standalone(port=free_port()).children() if child.name == "web"))


@pytest.mark.parametrize("command", [procfile_web, standalone_web])
def test_uvicorn_is_started_with_the_layers_options(command: Any) -> None:
    words = command()
    assert set(words) >= FLAGS
    for option, value in OPTIONS.items():
        assert words[words.index(option) + 1] == value
    assert "--proxy-headers" not in words
    assert "--forwarded-allow-ips" not in words


def test_the_application_is_the_layer_with_the_limits_of_the_settings(settings: Any) -> None:
    from aiWriting.asgi import application

    assert application.probes == {"/healthz", "/readyz", "/metrics", "/scale"}
    assert list(application.proxies.networks) == settings.TRUSTED_PROXIES
