"""Start tasks for users, within their quotas."""

from collections.abc import Callable
from typing import Any

import dramatiq
from django.db import models, transaction

from apps.accounts.quotas import metering
from apps.accounts.quotas.errors import NotNowError
from apps.accounts.quotas.limits import limits_of
from apps.tasks.errors import QueueFullError
from apps.tasks.models import TaskStatus

#: Seconds after which a user with too many tasks may try again.
RETRY_SECONDS = 10


def start_for(
    instance: models.Model,
    actor_name: str,
    *,
    owner_id: int | None,
    rate: metering.Rate | None = None,
    and_then: Callable[[], object] | None = None,
) -> str:
    """Send a task about an object for a user, or find the unfinished one. Return its id.

    Parameters:
      actor_name: Name of a unique actor, which gets the object's primary key. A name, so that services need not import
        the module of their actors, which imports them.
      owner_id: Primary key of the user who starts it. None: no user, and no quota.
      rate: Rate of the user to which the task counts. An unfinished one that is found does not count.
      and_then: Called in the same transaction if a task was sent.

    Raises:
      QuotaError: The user has too many tasks that wait or run, or starts too many, or all users together have too many
        that wait. The message is for the user.
      DoesNotExist: The object was deleted. The class is that of its model.
    """
    actor: Any = dramatiq.get_broker().get_actor(actor_name)
    try:
        with transaction.atomic():
            if owner_id is not None:
                metering.lock(owner_id)
            # Locked: it is not deleted before its task is sent.
            type(instance)._base_manager.select_for_update().only("pk").get(pk=instance.pk)
            message = actor.send_with_options(args=(instance.pk,), owner_id=owner_id)
            if message.was_new:
                # An error takes the send back.
                if owner_id is not None:
                    check_tasks(owner_id, sent=1)
                    if rate is not None:
                        metering.count(rate, user_id=owner_id)
                if and_then is not None:
                    and_then()
    except QueueFullError as error:
        if owner_id is None:
            raise
        raise NotNowError(error.sentence, wait=error.wait) from error
    return str(message.message_id)


def check_tasks(owner_id: int, *, sent: int = 0) -> None:
    """Check that a user may have one more task that waits or runs.

    Parameters:
      sent: Number of those tasks that the open transaction has sent already.

    Raises:
      NotNowError: There are too many.
    """
    limit = limits_of(owner_id).tasks
    if not limit:
        return
    number = TaskStatus.objects.unfinished_of(owner_id).count() - sent
    if number >= limit:
        sentence = (
            f"You have {number:,} of the {limit:,} tasks that may wait or run at once. Try again when some have ended."
        )
        raise NotNowError(sentence, wait=RETRY_SECONDS)
