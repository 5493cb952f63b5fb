"""The deployment files start what the code has, with variables that it reads and with time to stop."""

import re
import shlex
from typing import Any

import pytest
import yaml
from django.core.management import get_commands, load_command_class
from django.urls import resolve

from aiWriting.environment import BASE_DIR
from apps.tasks.conf import conf
from tests.deploy import files
from tests.deploy.files import Process
from tests.docs.test_docs import read_variables
from workers.management.commands.runworker import CLOSING_SECONDS

PROCESSES = list(files.processes())
#: Variables of other programs.
NOT_OURS = {"POSTGRES_PASSWORD"}


def is_web(process: Process) -> bool:
    return process.name == "web"


@pytest.mark.parametrize("process", [one for one in PROCESSES if not is_web(one)], ids=str)
def test_a_command_and_its_options_exist(process: Process) -> None:
    program, script, name, *options = process.argv
    assert (program, script) == ("python", "manage.py")
    command = load_command_class(get_commands()[name], name)
    command.create_parser("manage.py", name).parse_args(options)  # It ends the test if it does not know one.


@pytest.mark.parametrize("process", [one for one in PROCESSES if is_web(one)], ids=str)
def test_the_web_is_started_as_the_procfile_starts_it(process: Process) -> None:
    line = shlex.split(files.procfile()["web"])
    expected = line[line.index("uvicorn") :]
    place = {"--host", "--port"}
    assert named(process.argv, without=place) == named(expected, without=place)


def named(argv: list[str], *, without: set[str]) -> list[str]:
    """Return the words of a command line without some options and their values."""
    return [word for before, word in zip(["", *argv], argv, strict=False) if not {before, word} & without]


def test_every_file_starts_web_worker_and_scheduler() -> None:
    for file in ("docker-compose.yml", "aiwriting.yaml"):
        names = {one.name for one in PROCESSES if one.file == file}
        assert names == {"migrate", "web", "worker", "scheduler"}
    units = {path.stem.removeprefix("aiwriting-") for path in files.UNITS if path.suffix == ".service"}
    assert units == {"migrate", "web", "worker", "scheduler"}
    assert set(files.app_json()["formation"]) == set(files.procfile()) - {"release"}


@pytest.mark.parametrize("process", [one for one in PROCESSES if one.name == "worker"], ids=str)
def test_a_worker_may_finish_its_tasks_before_it_is_killed(process: Process) -> None:
    # The relay stops after the worker processes.
    assert process.grace_seconds is not None
    assert process.grace_seconds > conf.WORKER_DRAIN_SECONDS + 2 * CLOSING_SECONDS


@pytest.mark.parametrize("process", [one for one in PROCESSES if is_web(one) and one.file != "Dockerfile"], ids=str)
def test_a_web_may_finish_its_answers_before_it_is_killed(process: Process) -> None:
    assert process.grace_seconds is not None
    assert process.grace_seconds > float(process.argv[process.argv.index("--timeout-graceful-shutdown") + 1])


def test_every_variable_is_one_that_the_settings_read() -> None:
    known = set(read_variables()) | {"SECRET_KEY"} | NOT_OURS
    (config,) = (one["data"] for one in files.manifests() if one["kind"] == "ConfigMap")
    used = {
        "env.example": files.env_example(),
        "app.json": files.app_json()["env"],
        "aiwriting.yaml": config,
        "commands": [name for process in PROCESSES for name in process.variables],
    }
    assert {file: set(names) - known for file, names in used.items() if set(names) - known} == {}


def test_the_drain_time_of_kubernetes_is_the_one_that_its_grace_is_for() -> None:
    (config,) = (one["data"] for one in files.manifests() if one["kind"] == "ConfigMap")
    assert float(config["WORKER_DRAIN_SECONDS"]) == conf.WORKER_DRAIN_SECONDS


# --- Ports, probes and volumes -------------------------------------------------------------------


def containers() -> dict[str, dict[str, Any]]:
    """Return the containers of the manifests by name."""
    specs = [one["spec"]["template"]["spec"] for one in files.manifests() if "template" in one.get("spec", {})]
    return {container["name"]: container for spec in specs for container in spec["containers"]}


def test_the_probes_ask_what_is_there() -> None:
    web, worker = containers()["web"], containers()["worker"]
    for container in (web, worker):
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            if kind in container:
                assert container[kind]["httpGet"]["port"] in ports
    assert {web[kind]["httpGet"]["path"] for kind in ("startupProbe", "livenessProbe")} == {"/healthz"}
    assert web["readinessProbe"]["httpGet"]["path"] == "/readyz"
    for path in ("/healthz", "/readyz"):
        resolve(path)
    assert str(worker["ports"][0]["containerPort"]) == worker["command"][worker["command"].index("--probe-port") + 1]


def test_every_process_has_a_health_check_or_says_that_it_has_none() -> None:
    services = files.compose()["services"]
    assert {name for name, one in services.items() if "healthcheck" not in one} == {"web"}  # It has the image's.
    assert "/healthz" in files.instructions("HEALTHCHECK")[0]
    worker = services["worker"]
    probe = worker["command"][worker["command"].index("--probe-file") + 1]
    assert probe in worker["healthcheck"]["test"][1]


def test_the_ports_agree() -> None:
    (port,) = files.instructions("EXPOSE")
    web = next(one.argv for one in PROCESSES if one.file == "Dockerfile")
    assert web[web.index("--port") + 1] == port
    assert files.compose()["services"]["web"]["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert containers()["web"]["ports"][0]["containerPort"] == int(port)
    (service,) = (one for one in files.manifests() if one["kind"] == "Service")
    assert service["spec"]["ports"][0]["targetPort"] == containers()["web"]["ports"][0]["name"]


def test_redis_keeps_its_data_and_evicts_nothing() -> None:
    redis = files.compose()["services"]["redis"]
    command = redis["command"]
    assert command[command.index("--appendonly") + 1] == "yes"
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"
    assert redis["volumes"] == ["redis_data:/data"]


def test_all_wait_until_the_database_is_migrated() -> None:
    services = files.compose()["services"]
    for name in ("web", "worker", "scheduler"):
        assert services[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
        for other in ("db", "redis"):
            assert services[name]["depends_on"][other] == {"condition": "service_healthy"}
    for path in files.UNITS:
        if path.suffix == ".service" and "migrate" not in path.name:
            assert files.unit(path)["Unit"]["Requires"] == "aiwriting-migrate.service"


# --- The image -----------------------------------------------------------------------------------


def test_the_same_python_is_everywhere() -> None:
    python = (BASE_DIR / ".python-version").read_text().strip()
    args = dict(value.split("=") for value in files.instructions("ARG"))
    assert args["PYTHON"].startswith(f"{python}-slim-")
    workflow = yaml.safe_load((BASE_DIR / ".github" / "workflows" / "ci.yml").read_text())
    (setup,) = (step for step in workflow["jobs"]["all"]["steps"] if "setup-python" in step.get("uses", ""))
    assert setup["with"]["python-version"] == python


def test_every_image_has_a_version() -> None:
    images = [one["image"] for one in files.compose()["services"].values()]
    images += [container["image"] for container in containers().values()]
    unpinned = [image for image in images if not re.search(r":\d", image)]
    assert set(unpinned) == {"aiwriting"}  # Built here.
    assert {image.split(" ")[0] for image in files.instructions("FROM")} == {"python:${PYTHON}"}


def test_the_image_has_two_stages_a_user_and_no_compiler() -> None:
    assert len(files.instructions("FROM")) == 2
    (user,) = files.instructions("USER")
    uid = user.split(":")[0]
    assert int(uid) > 0
    runs = " ".join(files.instructions("RUN"))
    assert not re.search(r"apt-get|build-essential|gcc", runs)
    assert "--require-hashes" in runs
    assert f"--uid {uid}" in runs


def test_the_image_gets_all_that_is_copied_into_it() -> None:
    let_in = {line[1:] for line in (BASE_DIR / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        source
        for value in files.instructions("COPY")
        if not value.startswith("--from")
        for source in value.split()[:-1]
    }
    assert copied == let_in
    assert all((BASE_DIR / source).exists() for source in copied)
