"""Ids of requests: in answers, in lines, and in the tasks that they send."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory

from apps.core import request_id
from apps.core.request_id import RequestIdMiddleware
from apps.tasks.log_context import LogContext
from apps.tasks.models import TaskStatus
from tests.clients import Writer

NEW = re.compile(r"[0-9a-f]{32}")


@contextmanager
def recorded() -> Iterator[list[logging.LogRecord]]:
    """Gather the records of all loggers as a handler of the settings does."""
    found: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = found.append  # type: ignore[method-assign,assignment]
    handler.addFilter(LogContext())
    logging.getLogger().addHandler(handler)
    try:
        yield found
    finally:
        logging.getLogger().removeHandler(handler)


def test_every_answer_has_an_id_of_its_own(client: Client) -> None:
    ids = [client.get("/healthz")["X-Request-ID"] for _ in range(2)]
    assert all(NEW.fullmatch(one) for one in ids)
    assert len(set(ids)) == 2


@pytest.mark.parametrize(
    ("networks", "given", "is_kept"),
    [
        (["127.0.0.0/8"], "edge-7f.3:A+b/c=@", True),
        (["::ffff:10.0.0.0/104", "127.0.0.1"], "7", True),
        (["127.0.0.0/8"], "x" * 200, True),
        (["127.0.0.0/8"], "x" * 201, False),
        (["127.0.0.0/8"], "", False),
        (["127.0.0.0/8"], "a b", False),
        (["127.0.0.0/8"], "a\x1bb", False),
        (["127.0.0.0/8"], "ä", False),
        (["127.0.0.0/8"], "<script>", False),
        (["10.0.0.0/8"], "7", False),
        ([], "7", False),
    ],
)
def test_a_trusted_proxy_gives_a_well_formed_id(client: Client, settings, networks, given, is_kept) -> None:
    settings.TRUSTED_PROXIES = networks
    found = client.get("/healthz", headers={"X-Request-ID": given})["X-Request-ID"]
    assert (found == given) is is_kept
    assert is_kept or NEW.fullmatch(found)


def test_lines_of_a_request_have_its_id(client: Client, db: None) -> None:
    with recorded() as lines:
        answer = client.get("/no-such-page/")
        logging.getLogger("apps.some").warning("after it")
    (refused,) = [line for line in lines if line.name == "django.request"]
    assert vars(refused)["request_id"] == answer["X-Request-ID"]
    (after,) = [line for line in lines if line.name == "apps.some"]
    assert vars(after)["request_id"] is vars(after)["task_id"] is None


def test_an_error_inside_a_request_has_its_id(settings) -> None:
    def fails(request: Any) -> HttpResponse:
        logging.getLogger("library").error("it fails")
        return HttpResponse(status=500)

    with recorded() as lines:
        answer = RequestIdMiddleware(fails)(RequestFactory().get("/"))
        request_id.bind("")
    assert vars(lines[-1])["request_id"] == answer["X-Request-ID"]


@pytest.mark.django_db(transaction=True)
def test_a_task_has_the_id_of_its_request(redis_client, jane: Writer, project) -> None:
    answer = jane.post(f"/api/projects/{project.pk}/report/")
    assert answer.status_code == 202, answer.content
    assert TaskStatus.objects.get().options["request_id"] == answer["X-Request-ID"]
