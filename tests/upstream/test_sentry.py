"""sentry-sdk's own integration for Dramatiq: an error is an event, and a retry has its trace anew."""

from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
from sentry_sdk.client import NonRecordingClient
from sentry_sdk.integrations.dramatiq import DramatiqIntegration, SentryMiddleware
from sentry_sdk.transport import Transport

from apps.tasks.models import TaskStatus
from tests.acting import tasks
from workers.middleware.connections import Connections

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def events() -> Iterator[list[Any]]:
    found: list[Any] = []

    class Gather(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            found.extend(item.payload.json for item in envelope.items if item.type == "event")

    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1",
        transport=Gather,
        default_integrations=False,
        integrations=[DramatiqIntegration()],
        traces_sample_rate=1.0,
    )
    yield found
    sentry_sdk.get_global_scope().set_client(NonRecordingClient())


@pytest.mark.parametrize("place", [{"before": Connections}, {}], ids=["first, as it does itself", "last"])
def test_each_error_is_an_event_with_the_message(events, install, ended, place) -> None:
    install(SentryMiddleware(), **place)
    row = ended(tasks.fail_times.send_with_options(args=(1,), min_backoff=0, max_retries=3))
    assert row.status == "completed"
    (event,) = events
    assert event["exception"]["values"][-1]["value"] == "attempt 0 fails"
    assert event["contexts"]["dramatiq"]["data"]["actor_name"] == "acting.fail_times"
    assert set(row.options["_sentry_headers"]) == {"baggage", "sentry-trace"}
    assert TaskStatus.objects.count() == 1
