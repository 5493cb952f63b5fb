"""Random requests of a stranger, a writer and staff to every address: none is an error of ours.

`--fuzz-requests 20000` sends more of them, `--seed` others.
"""

import logging
from typing import Any

import psutil
import pytest
from django.test import Client

from apps.accounts.models import User
from tests import rows
from tests.clients import writer
from tests.gate.conftest import Connect
from tests.gate.fuzz import Fuzzer, Request, templates

ROLES = ("stranger", "writer", "writer with a token", "staff")

#: Requests until caches are full, and memory that all further ones may take.
WARM_REQUESTS, GROWTH_MEGABYTES = 1_000, 40


def credentials(role: str) -> tuple[str, ...]:
    """Make a user of the role, unless it is a stranger's. Return the headers that sign this user in."""
    csrf = ("Cookie: csrftoken=" + "a" * 32, "X-CSRFToken: " + "a" * 32)
    if role == "stranger":
        return csrf
    if role == "writer with a token":
        return (f"Authorization: Token {writer('jane').token}",)
    user = User.objects.create_superuser("jane") if role == "staff" else User.objects.create_user("jane")
    browser = Client()
    browser.force_login(user)
    return (f"{csrf[0]}; sessionid={browser.cookies['sessionid'].value}", csrf[1])


def keys() -> list[str]:
    """Make rows, and return their keys."""
    project = rows.project(owner="jane")
    document = rows.document(project=project)
    task = rows.task(owner=project.owner)
    process = rows.worker_process(kind="worker")
    return [str(project.pk), str(document.pk), str(task.pk), task.task_id, str(process.pk), "html", "pdf", "1", "2"]


def test_the_addresses_are_those_of_the_site() -> None:
    assert {"/healthz", "/sign-in/", "/", "/api/token/", "/api/tasks/<task_id>/", "/admin/"} <= set(templates())


@pytest.mark.parametrize("role", ROLES)
def test_no_request_is_an_error_of_ours(
    connect: Connect, broker: Any, caplog: Any, pytestconfig: pytest.Config, role: str
) -> None:
    User.objects.create_user("jane") if role == "stranger" else None
    headers = credentials(role)
    count = pytestconfig.getoption("--fuzz-requests") // len(ROLES)
    fuzzer = Fuzzer(seed=pytestconfig.getoption("--seed") * 1_000 + ROLES.index(role), keys=keys())
    failures: list[tuple[Request, Any]] = []
    # The site runs in this process.
    memory = psutil.Process().memory_info
    warm_bytes = 0
    with caplog.at_level(logging.ERROR):
        for number, request in enumerate(fuzzer.requests(count)):
            if number == WARM_REQUESTS:
                warm_bytes = memory().rss
            with connect() as connection:
                status = connection.send(*request.lines, *headers, body=request.body).status(method=request.method)
            errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
            if status >= 500 or any(getattr(record, "status_code", 500) >= 500 for record in errors):
                failures.append((request, status))
                print(request, status, *caplog.messages, caplog.text[-3000:])
            caplog.clear()
    assert failures == []
    if warm_bytes:
        grown_megabytes = (memory().rss - warm_bytes) / 1024**2
        print(f"{role}: {grown_megabytes:+.1f} MB from request {WARM_REQUESTS:,} to {count:,}")
        assert grown_megabytes < GROWTH_MEGABYTES
