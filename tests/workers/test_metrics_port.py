"""`--metrics-port`: the figures of a worker, relay or scheduler process."""

import contextlib
import http.client
import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from tests.waiting import wait_until
from workers import relay
from workers.embedded.server import free_port
from workers.management.metrics_port import show_metrics
from workers.metrics import process
from workers.metrics.port import MetricsPort

TOKEN = {"Authorization": "Bearer open sesame"}


def get(port: int, headers: dict[str, str] = TOKEN, *, host: str = "127.0.0.1", path: str = "/metrics") -> Any:
    connection = http.client.HTTPConnection(host, port, timeout=20)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def samples(text: str) -> dict[str, float]:
    """Return the samples of the families without labels, and the sums of the others."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


@pytest.fixture
def port(settings: Settings) -> Iterator[int]:
    settings.METRICS_TOKEN = "open sesame"
    with contextlib.closing(MetricsPort(0, process.metrics, process.relay)) as server:
        yield server.server_address[1]


@pytest.mark.once
def test_it_shows_the_figures_of_the_process(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "passes", {"whole": 40, "failed": 2})
    status, text = get(port)
    assert status == 200
    assert 'tasks_relay_passes_total{outcome="failed"} 2.0' in text
    assert {"tasks_publish_failures_total", "python_info"} <= set(samples(text))


@pytest.mark.once
def test_strangers_get_no_figures(port: int, settings: Settings) -> None:
    for headers in ({}, {"Authorization": "Bearer open"}, {"Authorization": "\xff"}):
        status, text = get(port, headers)
        assert (status, text) == (401, "Send METRICS_TOKEN as 'Authorization: Bearer ...'.")
    settings.METRICS_TOKEN = ""
    settings.METRICS_NETWORKS = ["192.0.2.0/24"]
    assert get(port)[0] == 401
    settings.METRICS_NETWORKS = ["127.0.0.0/8"]
    assert get(port, {})[0] == 200


@pytest.mark.once
def test_a_forked_process_does_not_keep_the_port(settings: Settings) -> None:
    """A task that forks must not keep the worker process that replaces this one from its port."""
    settings.METRICS_NETWORKS = ["127.0.0.0/8"]
    server = MetricsPort(0, process.metrics)
    number = server.server_address[1]
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    try:
        os.close(reading)
        server.close()
        with contextlib.closing(MetricsPort(number, process.metrics)):
            assert get(number, {})[0] == 200
    finally:
        os.close(writing)
        os.waitpid(pid, 0)


@pytest.mark.once
@pytest.mark.parametrize("command", ["runworker", "runrelay", "runscheduler"])
@pytest.mark.parametrize("port", [0, -1, 65_536])
def test_a_port_that_is_none_is_refused(command: str, port: int, settings: Settings) -> None:
    settings.METRICS_TOKEN = "open sesame"
    with pytest.raises(CommandError, match=f"--metrics-port is {port}, must be 1 to 655"):
        call_command(command, metrics_port=port)


@pytest.mark.once
@pytest.mark.parametrize("command", ["runworker", "runrelay", "runscheduler"])
def test_a_port_for_nobody_is_refused(command: str) -> None:
    with pytest.raises(CommandError, match="set METRICS_TOKEN or METRICS_NETWORKS"):
        call_command(command, metrics_port=9_101)


@pytest.mark.once
def socket_above_a_free_port() -> socket.socket:
    """Return a server on a port whose neighbour below is free."""
    while True:
        taken = socket.create_server(("", 0))
        with contextlib.suppress(OSError), socket.create_server(("", taken.getsockname()[1] - 1)):
            return taken
        taken.close()


def test_each_process_needs_a_port(settings: Settings) -> None:
    settings.METRICS_TOKEN = "open sesame"
    with pytest.raises(CommandError, match="--metrics-port is 65534, must be 1 to 65532"):
        call_command("runworker", metrics_port=65_534, processes=3)
    with socket_above_a_free_port() as taken:
        number = taken.getsockname()[1]
        with pytest.raises(CommandError, match=f"--metrics-port {number} cannot be used: Address already in use"):
            call_command("runworker", metrics_port=number - 1, processes=2)


@pytest.mark.once
def test_a_child_whose_port_is_taken_works_without_it(caplog: pytest.LogCaptureFixture, settings: Settings) -> None:
    settings.METRICS_TOKEN = "open sesame"
    with socket.create_server(("", 0)) as taken:
        show_metrics(taken.getsockname()[1])
    assert "metrics port cannot be used" in caplog.text


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_the_relay_has_the_port_and_the_workers_the_next_ones(worker: Callable[..., Any]) -> None:
    """Two seconds: real processes have to start."""
    first = free_port()
    worker("--processes", "1", "--metrics-port", str(first), METRICS_TOKEN="open sesame")

    def found(number: int) -> dict[str, float]:
        with contextlib.suppress(OSError):
            return samples(get(number)[1])
        return {}

    wait_until(lambda: found(first).get("tasks_relay_passes_total", 0) > 2)
    for number in (first + 1,):
        wait_until(lambda number=number: found(number))  # type: ignore[misc]
        assert "tasks_relay_passes_total" not in found(number)
        assert found(number)["tasks_publish_failures_total"] == 0
