"""Start a task about an object unless one is unfinished."""

from collections.abc import Callable
from typing import Any

import dramatiq
from django.db import models, transaction

from apps.tasks.errors import NotRelatedError
from apps.tasks.models import TaskStatus


def start_once(
    instance: models.Model,
    actor_name: str,
    *,
    owner_id: Any = None,
    before_send: Callable[[], object] | None = None,
) -> str:
    """Send a task about an object, or find the unfinished one. Return its id.

    The object's row is locked until the transaction ends. Of two starts at once, the second therefore returns the
    task of the first. The actor is called with the object's primary key as its only argument.

    Parameters:
      actor_name: Name of an actor that is `related_to` the object's model. A name, so that services need not import
        the module of their actors, which imports them.
      owner_id: Primary key of the user who may see the task besides staff.
      before_send: Called in the same transaction when a task is about to be sent, with the row locked.

    Raises:
      DoesNotExist: The row was deleted. The class is that of the object's model.
      NotRelatedError: The actor is related to another model, so an unfinished task could not be found.
      ActorNotFound: No actor of that name is declared.
    """
    actor: Any = dramatiq.get_broker().get_actor(actor_name)
    label = instance._meta.label
    if actor.options.get("related_to") != label:
        raise NotRelatedError(actor_name, related_to=actor.options.get("related_to"), label=label)
    with transaction.atomic():
        type(instance)._base_manager.select_for_update().only("pk").get(pk=instance.pk)
        unfinished = TaskStatus.objects.about(instance).filter(task_name=actor_name).unfinished()
        task_id = unfinished.order_by("-pk").values_list("task_id", flat=True).first()
        if task_id is None:
            if before_send is not None:
                before_send()
            task_id = str(actor.send_with_options(args=(instance.pk,), owner_id=owner_id).message_id)
    return task_id
