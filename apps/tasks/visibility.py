"""The tasks that a user sees: the own ones, and those about objects that the user sees.

An app whose objects have several viewers registers a rule when it is ready:

    visibility.register("shop.Order", lambda user: Order.objects.visible_to(user))

All viewers of an order then see the tasks about it. Its former viewers do not, also not the tasks that they sent. So an
object that changes hands takes its tasks along. A task about an object that is gone is seen by its owner.
"""

from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.db.models import Exists, OuterRef, QuerySet

#: Return the rows of a model that a user sees.
Rule = Callable[[Any], "QuerySet[Any]"]

_rules: dict[str, Rule] = {}


def register(label: str, rule: Rule) -> None:
    """Let the viewers of a model's rows see the tasks about them, in place of an earlier rule.

    Parameters:
      label: Model such as `shop.Order`, as in an actor's `related_to`. Its primary key is an integer.
    """
    _rules[label] = rule


def of(user: Any, tasks: Any) -> Any:
    """Return those of the tasks that the user sees without any permission."""
    owned = tasks.model._base_manager.filter(owner_id=user.pk)
    if not _rules:
        return tasks.filter(owner_id=user.pk)
    shared = []
    for label, rule in _rules.items():
        about = {"pk": OuterRef("related_object_id")}
        exists = Exists(apps.get_model(label)._base_manager.filter(**about))
        owned = owned.exclude(exists & ~Exists(rule(user).order_by().filter(**about)), related_object_type=label)
        shared.append(
            tasks.model._base_manager.filter(
                related_object_type=label, related_object_id__in=rule(user).order_by().values("pk")
            )
        )
    # One query for each index. Joined by OR, none of them would be used.
    ids = owned.order_by().values("pk").union(*(query.order_by().values("pk") for query in shared), all=True)
    return tasks.filter(pk__in=ids)
