"""The tasks that a user sees: the own ones, and those about objects that the user sees.

An app whose objects have several viewers registers a rule when it is ready:

    visibility.register(
        "shop.Order",
        lambda user: Order.objects.visible_to(user),
        may_cancel=lambda user: Order.objects.editable_by(user),
    )

All viewers of an order then see the tasks about it. Its former viewers do not, also not the tasks that they sent. So an
object that changes hands takes its tasks along. A task about an object that is gone is seen by its owner.

A task that a user sees may be cancelled by them if it is their own, or about an object of which the rule says so.
"""

from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.db.models import Exists, OuterRef, QuerySet

from apps.tasks import permission

#: Return the rows of a model that a user sees.
Rule = Callable[[Any], "QuerySet[Any]"]

_rules: dict[str, Rule] = {}
_may_cancel: dict[str, Rule] = {}


def register(label: str, rule: Rule, *, may_cancel: Rule | None = None) -> None:
    """Let the viewers of a model's rows see the tasks about them, in place of an earlier rule.

    Parameters:
      label: Model such as `shop.Order`, as in an actor's `related_to`. Its primary key is an integer.
      may_cancel: Returns the rows whose tasks a user may cancel. None: each user may cancel the own ones.
    """
    _rules[label] = rule
    _may_cancel.pop(label, None)
    if may_cancel is not None:
        _may_cancel[label] = may_cancel


def may_cancel(user: Any, task: Any) -> bool:
    """Return whether a user who sees the task may cancel it: its owner, and staff with the permission.

    Of a model with a rule for it, the rule counts in addition.
    """
    if task.owner_id is not None and task.owner_id == user.pk:
        return True
    if permission.may(user, "cancel"):
        return True
    rule = _may_cancel.get(task.related_object_type)
    return rule is not None and rule(user).filter(pk=task.related_object_id).exists()


def of(user: Any, tasks: Any) -> Any:
    """Return those of the tasks that the user sees without any permission.

    Parameters:
      tasks: Filter them before: each part of the query has these filters, and finds its rows by an index.
    """
    if not _rules:
        return tasks.filter(owner_id=user.pk)
    found = tasks.order_by()
    owned = found.filter(owner_id=user.pk)
    parts = [owned.exclude(related_object_type__in=list(_rules))]
    for label, rule in _rules.items():
        exists = Exists(apps.get_model(label)._base_manager.filter(pk=OuterRef("related_object_id")))
        parts += [
            owned.filter(~exists, related_object_type=label),
            found.filter(related_object_type=label, related_object_id__in=rule(user).order_by().values("pk")),
        ]
    first, *others = (part.values("pk") for part in parts)
    # Joined by OR, no index would be used.
    return tasks.filter(pk__in=first.union(*others, all=True))
