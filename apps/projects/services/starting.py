"""Start tasks for users, within their quotas."""

from collections.abc import Callable

from django.db import models, transaction

from apps.accounts.quotas import metering
from apps.accounts.quotas.errors import NotNowError
from apps.accounts.quotas.limits import limits_of
from apps.tasks.errors import QueueFullError
from apps.tasks.models import TaskStatus
from apps.tasks.starting import start_once

#: Seconds after which a user with too many tasks may try again.
RETRY_SECONDS = 10


def start_for(
    instance: models.Model,
    actor_name: str,
    *,
    owner_id: int | None,
    rate: metering.Rate | None = None,
    before_send: Callable[[], object] | None = None,
) -> str:
    """Send a task about an object for a user, or find the unfinished one. Return its id.

    Parameters:
      owner_id: Primary key of the user who starts it. None: no user, and no quota.
      rate: Rate of the user to which the task counts. An unfinished one that is found does not count.
      before_send: As in `start_once`.

    Raises:
      QuotaError: The user has too many tasks that wait or run, or starts too many, or all users together have too many
        that wait. The message is for the user.
      DoesNotExist: As in `start_once`.
    """
    if owner_id is None:
        return start_once(instance, actor_name, before_send=before_send)

    def check_and_prepare() -> None:
        check_tasks(owner_id)
        if rate is not None:
            metering.count(rate, user_id=owner_id)
        if before_send is not None:
            before_send()

    try:
        with transaction.atomic():
            metering.lock(owner_id)
            return start_once(instance, actor_name, owner_id=owner_id, before_send=check_and_prepare)
    except QueueFullError as error:
        raise NotNowError(error.sentence, wait=error.wait) from error


def check_tasks(owner_id: int) -> None:
    """Check that a user may have one more task that waits or runs.

    Raises:
      NotNowError: There are too many.
    """
    limit = limits_of(owner_id).tasks
    if not limit:
        return
    number = TaskStatus.objects.unfinished_of(owner_id).count()
    if number >= limit:
        sentence = (
            f"You have {number:,} of the {limit:,} tasks that may wait or run at once. Try again when some have ended."
        )
        raise NotNowError(sentence, wait=RETRY_SECONDS)
