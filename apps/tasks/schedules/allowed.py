"""The actors that staff may schedule, and the forms of their arguments.

A schedule in the admin runs any function with any arguments, as often as its author likes. So superusers alone may
schedule an actor, unless its module says who else may:

    schedulable(clean_expired_documents, form=CleanUpForm)
    schedulable(send_weekly_report, permission="projects.change_project")
"""

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model, QuerySet
from dramatiq import Actor

from apps.tasks import json_safe
from apps.tasks.errors import BadFormError, BadOfferError


@dataclass(frozen=True, kw_only=True)
class Offer:
    """Terms on which staff may schedule an actor: the permission that they need, and the form of its arguments."""

    permission: str = ""
    form: type[forms.Form] | None = None


#: Offers by the name of the actor.
offers: dict[str, Offer] = {}


def schedulable(actor: Actor[..., Any], *, permission: str = "", form: type[forms.Form] | None = None) -> None:
    """Let staff who may add or change schedules use the actor in them.

    Parameters:
      permission: Permission that they need besides, such as `projects.change_project`.
      form: Form of the keyword arguments, which the admin shows in place of their JSON. A field has the name of an
        argument. An optional field that is left empty is left out, so that the actor's own default counts.

    Raises:
      BadOfferError: The actor is none, or the permission has no app. `tasks.W009` looks whether there is such a one.
      BadFormError: The form has a field that is no argument of the actor, or none for one that it requires.
    """
    if not isinstance(actor, Actor):
        raise BadOfferError(f"schedulable got {actor!r:.80}, must be an actor: the function below @dramatiq.actor")
    if not isinstance(permission, str) or (permission and "." not in permission):
        raise BadOfferError(
            f"the permission to schedule {actor.actor_name} is {permission!r:.80}, must be a text with the label of an "
            "app, such as 'projects.change_project'"
        )
    if form is not None:
        _check_form(actor, form)
    offers[actor.actor_name] = Offer(permission=permission, form=form)


def may_schedule(user: Any, actor_name: str) -> bool:
    """Return whether the user may make or change schedules of the actor, and run them by hand."""
    if user.is_active and user.is_superuser:
        return True
    offer = offers.get(actor_name)
    return offer is not None and (not offer.permission or user.has_perm(offer.permission))


def form_of(actor_name: str) -> type[forms.Form] | None:
    """Return the form of an actor's arguments. None: they are written as JSON."""
    offer = offers.get(actor_name)
    return offer.form if offer is not None else None


def arguments_of(form: forms.Form) -> dict[str, Any]:
    """Return the keyword arguments that a valid form says, as JSON has them.

    A date or time becomes its ISO text, a UUID or decimal its text, an object its primary key, also if
    the field has another `to_field_name`.

    Raises:
      BadFormError: JSON has nothing for a value, or no database stores it.
    """
    found = {}
    for name, value in form.cleaned_data.items():
        field = form.fields.get(name)
        if field is not None and not field.required and _is_empty(value, field):
            continue
        try:
            # Without NaN, which is not JSON.
            found[name] = json.loads(json.dumps(_by_key(value), cls=DjangoJSONEncoder, allow_nan=False))
            is_stored = json_safe.json_safe(found[name]) == found[name]
        except (TypeError, ValueError, RecursionError) as error:
            raise BadFormError(
                f"The field {name!r} gives {type(value).__name__}, which is no JSON: {error}", field=name
            ) from error
        if not is_stored:
            raise BadFormError(f"The field {name!r} gives a text with a NUL or a lone surrogate in it", field=name)
    return found


def _is_empty(value: Any, field: forms.Field) -> bool:
    return not value if isinstance(value, QuerySet) else value in field.empty_values


def shown_by(field: forms.Field, argument: Any) -> Any:
    """Return the value that a field shows for an argument: the object for its primary key if the field needs more."""
    if not isinstance(field, forms.ModelChoiceField) or not field.to_field_name:
        return argument
    choices: Any = field.queryset
    try:
        if isinstance(field, forms.ModelMultipleChoiceField):
            return list(choices.filter(pk__in=argument))
        return choices.filter(pk=argument).first()
    except (TypeError, ValueError):
        return None


def _by_key(value: Any) -> Any:
    """Return the value with primary keys for objects, and lists for other collections."""
    if isinstance(value, Model):
        return value.pk
    if isinstance(value, Mapping):
        return {str(key): _by_key(item) for key, item in value.items()}
    if isinstance(value, QuerySet | list | tuple | set | frozenset):
        found = [_by_key(item) for item in value]
        return sorted(found) if isinstance(value, set | frozenset) else found
    return value


def _check_form(actor: Actor[..., Any], form: Any) -> None:
    name = actor.actor_name
    if not (inspect.isclass(form) and issubclass(form, forms.Form)):
        raise BadFormError(f"The form for {name} is {form!r}, must be a class derived from django.forms.Form")
    parameters = inspect.signature(actor.fn).parameters.values()
    takes_any = any(one.kind is one.VAR_KEYWORD for one in parameters)
    known = {one.name: one for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)}
    fields: dict[str, forms.Field] = form.base_fields
    if unknown := [field for field in fields if field not in known and not takes_any]:
        raise BadFormError(
            f"{form.__name__} has the fields {', '.join(unknown)}, which are no arguments of {name}. It takes: "
            f"{', '.join(known) or 'none'}"
        )
    if missing := [key for key, one in known.items() if one.default is one.empty and key not in fields]:
        raise BadFormError(f"{form.__name__} has no field for {', '.join(missing)}, which {name} requires")
    if files := [field for field, kind in fields.items() if isinstance(kind, forms.FileField)]:
        raise BadFormError(f"{form.__name__} has the fields {', '.join(files)} for files, which are no arguments")
