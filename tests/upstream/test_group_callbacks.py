"""Dramatiq's GroupCallbacks, added as its guide does: the callback comes once, when all members have completed."""

import dramatiq
import pytest
from dramatiq.middleware.group_callbacks import GroupCallbacks
from dramatiq.rate_limits.backends import StubBackend

from apps.tasks.models import TaskStatus
from tests.acting import tasks

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_callback_comes_once_and_not_early(install, ended) -> None:
    install(GroupCallbacks(StubBackend()))
    failing = tasks.fail_times.message_with_options(args=(2,), min_backoff=0, max_retries=3)
    group = dramatiq.group([tasks.add.message(1, 2), failing])
    callback = tasks.say.message("all")
    group.add_completion_callback(callback)
    group.run()
    row = ended(callback)
    members = TaskStatus.objects.exclude(pk=row.pk)
    assert {one.status for one in members} == {"completed"}
    assert all(one.finished_at <= row.created_at for one in members)
    assert TaskStatus.objects.count() == 3
