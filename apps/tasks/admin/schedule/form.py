"""The form of a schedule. It shows each error at its field, before anything is saved."""

import copy
import json
from typing import Any
from urllib.parse import urlencode

import dramatiq
from django import forms
from django.core.exceptions import NON_FIELD_ERRORS
from django.forms.fields import InvalidJSONInput
from django.forms.utils import ErrorList, pretty_name
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from apps.tasks import json_safe, masking
from apps.tasks.admin import elements, theme
from apps.tasks.errors import BadFormError
from apps.tasks.models import Schedule
from apps.tasks.schedules import actions, checking, clock, zones
from apps.tasks.schedules.allowed import arguments_of, form_of, may_schedule, shown_by

#: Units of an interval by their seconds, the largest first: the name, and an interval in words.
UNITS = {
    86_400: (_("days"), ngettext_lazy("Every day", "Every %(count)s days", "number")),
    3_600: (_("hours"), ngettext_lazy("Every hour", "Every %(count)s hours", "number")),
    60: (_("minutes"), ngettext_lazy("Every minute", "Every %(count)s minutes", "number")),
    1: (_("seconds"), ngettext_lazy("Every second", "Every %(count)s seconds", "number")),
}
MOST_DAYS = 3_660

#: Inputs that the next times depend on, by their names in the page.
TIME_FIELDS = (
    "cron", "every", "every_unit", "time_zone", "start_at_0", "start_at_1", "end_at_0", "end_at_1", "jitter_seconds",
)  # fmt: skip
#: Fields of these inputs.
TIMES = ("cron", "every", "every_unit", "time_zone", "start_at", "end_at", "jitter_seconds")
#: Prefix of the fields of an actor's own form.
PREFIX = "arguments"
#: Input that names the actor whose own form was on the page.
SHOWN = "arguments_of"
#: Fields that show the errors of a column of another name.
SHOWN_AT = {"interval_seconds": "every"}


def argument_field(name: str) -> str:
    """Return the name that a field of an actor's own form has in the page."""
    return f"{PREFIX}-{name}"


def with_arguments(form: type["ScheduleForm"], own: type[forms.Form] | None) -> type["ScheduleForm"]:
    """Return the class of the form with the fields of an actor's own form, if it has one."""
    if own is None:
        return form
    fields = {argument_field(name): copy.deepcopy(field) for name, field in own.base_fields.items()}
    for name, field in own.base_fields.items():
        shown = fields[argument_field(name)]
        shown.label = pretty_name(name) if field.label is None else field.label
        guard(shown)
    return type(form.__name__, (form,), {**fields, "arguments_form": own})


class Guarded:
    """Makes an error of the field of what its parser cannot read. Django's JSON field knows of syntax errors only."""

    def clean(self, value: Any) -> Any:
        try:
            return super().clean(value)  # type: ignore[misc]
        except (ValueError, TypeError, ArithmeticError, RecursionError):
            raise forms.ValidationError(_("This value cannot be read.")) from None

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(super().has_changed(initial, data))  # type: ignore[misc]
        except (ValueError, TypeError, ArithmeticError, RecursionError):
            return True

    def bound_data(self, data: Any, initial: Any) -> Any:
        # Shown as it was sent: a text of JSON may say what no page can.
        if isinstance(self, forms.JSONField) and isinstance(data, str):
            return InvalidJSONInput(data)
        return super().bound_data(data, initial)  # type: ignore[misc]


def guard(field: forms.Field) -> None:
    """Make a field of an actor's own form a guarded one."""
    kind: Any = type(field)
    field.__class__ = type(kind.__name__, (Guarded, kind), {})


def interval_in_words(seconds: int) -> str:
    """Return an interval such as `Every 15 minutes`."""
    count, unit = _in_unit(seconds)
    _name, words = UNITS[unit]
    return elements.counted(words, count)


def _in_unit(seconds: int) -> tuple[int, int]:
    """Return an interval as a whole number of the largest unit that allows it, and the unit."""
    unit = next(unit for unit in UNITS if seconds % unit == 0)
    return seconds // unit, unit


class ZoneInput(theme.TextInput):  # type: ignore[misc]
    """A text input that suggests the known zones."""

    input_template_name = theme.TextInput.template_name
    template_name = "tasks/schedule/zone.html"

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, {**(attrs or {}), "list": "time-zones"})
        context["widget"] |= {"zones": zones.names(), "input_template_name": self.input_template_name}
        return context


class ActorInput(theme.SelectInput):  # type: ignore[misc]
    """A choice of actors. It also sends the actor whose form is on the page, so that another choice is noticed."""

    input_template_name = theme.SelectInput.template_name
    template_name = "tasks/schedule/actor.html"
    shown = ""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        context["widget"] |= {"shown": self.shown, "input_template_name": self.input_template_name}
        return context


class FirstShown(forms.BoundField):
    """A field of a form that the page shows for the first time: with its default, and without an error."""

    errors = ErrorList()

    def value(self) -> Any:
        return self.field.prepare_value(self.initial)


class ScheduleForm(forms.ModelForm):
    """A schedule, new or changed. A declared one keeps its name, actor and arguments."""

    #: User who fills in the form. The admin sets these on the class that it makes for each request.
    user: Any = None
    #: Form of the chosen actor's arguments, whose fields this form has as well. None: they are written as JSON.
    arguments_form: type[forms.Form] | None = None
    #: The page did not have the fields of that form until now.
    is_first_shown = False

    every = forms.IntegerField(
        required=False, min_value=1, widget=theme.IntegerInput, label=_("Or every"),
        help_text=_("Instead of a cron text. Counted from the start or, without one, from when it was saved."),
    )  # fmt: skip
    every_unit = forms.TypedChoiceField(
        choices=[(str(seconds), name) for seconds, (name, _words) in reversed(UNITS.items())],
        coerce=int, initial="60", required=False, widget=theme.SelectInput, label=_("Unit"),
    )  # fmt: skip

    class Meta:
        model = Schedule
        fields = (
            "name", "task_name", "kwargs", "cron", "time_zone", "start_at", "end_at", "missed_policy", "missed_limit",
            "grace_seconds", "overlap", "jitter_seconds", "enabled",
        )  # fmt: skip
        #: For people who fill in the form. The columns' own texts also say who writes them.
        help_texts = {
            "name": _("Name in the admin and in the terminal."),
            "task_name": _("Actor that is sent at each slot."),
            "kwargs": _('A JSON object, such as {"report_type": "summary"}.'),
            "cron": _(
                "Minute, hour, day of month, month, day of week; or @hourly, @daily, @weekly, @monthly, @yearly."
            ),
            "time_zone": _("Clock that the cron text is read by."),
            "start_at": elements.in_zone(_("No slot comes before this time. In %(zone)s.")),
            "end_at": elements.in_zone(_("No slot comes after this time. In %(zone)s.")),
            "missed_policy": _("Treatment of slots that no scheduler fired in time."),
            "missed_limit": _("Number of missed slots that are run at most, the newest ones."),
            "grace_seconds": _("Seconds that a slot may be late before it counts as missed."),
            "overlap": "",
            "jitter_seconds": _("Largest random delay of a slot, in seconds."),
            "enabled": _("A paused schedule has no slots and misses none."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: Actor and arguments of the row, and these arguments as people may see them.
        self._stored_actor, self._stored_arguments = self.instance.task_name, self.instance.kwargs
        self._shown_arguments = masking.arguments(self._stored_actor, [], self._stored_arguments)[1]
        if self.instance.interval_seconds:
            self.initial["every"], self.initial["every_unit"] = _in_unit(self.instance.interval_seconds)
        if "cron" in self.fields:
            self.fields["cron"].widget.attrs |= {"placeholder": "0 8 * * 1", "class": _monospaced(self.fields["cron"])}
        if "time_zone" in self.fields:
            self.fields["time_zone"].widget = ZoneInput()
        if self.instance.is_declared:
            for name in ("name", "task_name", "kwargs"):
                self.fields.pop(name, None)
        if "task_name" in self.fields:
            known = sorted({*self._allowed_actors(), self.instance.task_name} - {""})
            field = forms.CharField(
                label=_("Actor"),
                help_text=self._help_of_actor(self.fields["task_name"].help_text),
                widget=ActorInput(choices=[("", _("Choose an actor")), *((name, name) for name in known)]),
            )
            self.fields["task_name"] = field
        if self.arguments_form is not None:
            self._show_arguments(self.arguments_form)
        if "kwargs" in self.fields:
            # A JSON field would not say where a text stops being JSON.
            self.fields["kwargs"] = forms.CharField(
                label=_("Arguments"),
                required=False,
                strip=True,
                help_text=self.fields["kwargs"].help_text,
                widget=theme.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
            )
            self.initial["kwargs"] = json.dumps(self._shown_arguments, ensure_ascii=False)

    def _show_arguments(self, form: type[forms.Form]) -> None:
        """Show the fields of the actor's own form. On a page that did not have them they show their defaults."""
        name = self._actor_name()
        self.is_first_shown = self.is_bound and self.data.get(SHOWN) != name
        if "task_name" in self.fields:
            self.fields["task_name"].widget.shown = name or self.initial.get("task_name", "")
        known = self._shown_arguments if self._stored_actor == name else {}
        for field in form.base_fields if isinstance(known, dict) else ():
            shown = self.fields[argument_field(field)]
            if field in self._kept_arguments(name):
                shown.required, shown.help_text = False, _("It is not shown. Leave it empty to keep it.")
            elif field in known:
                self.initial[argument_field(field)] = shown_by(shown, known[field])
        for field in self._argument_fields():
            theme.dress(self.fields[field])

    def _actor_name(self) -> Any:
        """Return the actor whose form is on the page."""
        return self.data.get("task_name", self._stored_actor) if self.is_bound else self._stored_actor

    def _kept_arguments(self, actor_name: Any) -> dict[str, Any]:
        """Return the secret arguments of the row, which stay as they are if their fields are left empty."""
        if actor_name != self._stored_actor or not isinstance(self._stored_arguments, dict):
            return {}
        return {
            name: value for name, value in self._stored_arguments.items() if self._shown_arguments[name] == masking.MASK
        }

    def _argument_fields(self) -> list[str]:
        return [argument_field(name) for name in self.arguments_form.base_fields] if self.arguments_form else []

    def __getitem__(self, name: str) -> forms.BoundField:
        if self.arguments_form is not None and self.is_first_shown and name in self._argument_fields():
            return FirstShown(self, self.fields[name], name)
        return super().__getitem__(name)

    def _help_of_actor(self, text: Any) -> Any:
        """Return the help text with links to the forms of the actors that have one, on the page of a new schedule."""
        shown = self.initial.get("task_name")
        names = [name for name in sorted(self._allowed_actors()) if name != shown and form_of(name) is not None]
        if self.instance.pk is not None or self.is_bound or not names:
            return text
        links = [(_query(name), name) for name in names]
        found = format_html_join(", ", '<a href="?{}" class="underline">{}</a>', links)
        return format_html(gettext("{text} With a form for the arguments: {actors}."), text=text, actors=found)

    def _allowed_actors(self) -> list[str]:
        return [name for name in dramatiq.get_broker().actors if may_schedule(self.user, name)]

    def clean_task_name(self) -> str:
        name = str(self.cleaned_data["task_name"])
        # An unknown actor has an error of its own.
        if name in dramatiq.get_broker().actors and not may_schedule(self.user, name):
            allowed = ", ".join(sorted(self._allowed_actors())) or gettext("none")
            message = gettext("Only superusers may schedule %(name)s. You may schedule: %(allowed)s.")
            raise forms.ValidationError(message % {"name": name, "allowed": allowed})
        return name

    def clean_kwargs(self) -> Any:
        text = self.cleaned_data["kwargs"]
        try:
            found = json.loads(text or "{}")
        except json.JSONDecodeError as error:
            message = gettext(
                "This is not JSON: %(error)s at line %(line)s, column %(column)s. "
                'It must be an object such as {"report_type": "summary"}.'
            )
            values = {"error": error.msg, "line": error.lineno, "column": error.colno}
            raise forms.ValidationError(message % values) from None
        except RecursionError:
            raise forms.ValidationError(_("This JSON is nested too deeply.")) from None
        except ValueError:
            raise forms.ValidationError(_("This JSON has a number of more than 4,300 digits.")) from None
        if not isinstance(found, dict):
            message = gettext('This is %(start)s, must be an object such as {"report_type": "summary"}.')
            raise forms.ValidationError(message % {"start": text if len(text) <= 100 else f"{text[:100]}..."})
        return self._with_secrets(found)

    def _with_secrets(self, arguments: Any) -> Any:
        """Return arguments with the row's secrets where a mark stands for them. Another actor gets none of them."""
        restored = masking.restored(arguments, self._stored_arguments, self._shown_arguments)
        if self.cleaned_data.get("task_name", self._stored_actor) != self._stored_actor and restored != arguments:
            raise forms.ValidationError(
                _("Write the values that %(mark)s stands for: another actor gets no secrets of the last one.")
                % {"mark": masking.MASK}
            )
        return restored

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        every, unit = cleaned.get("every"), cleaned.get("every_unit") or 60
        if every is not None and every * unit > MOST_DAYS * 86_400:
            message = gettext("This is %(days)s days, at most %(limit)s are allowed.")
            values = {"days": elements.number(every * unit // 86_400), "limit": elements.number(MOST_DAYS)}
            self.add_error("every", message % values)
            every = None
        if "every" not in self.errors:
            self.instance.interval_seconds = every * unit if every else None
        if self.arguments_form is not None:
            self._clean_arguments(self.arguments_form)
        elif "kwargs" in cleaned:
            # The page may have had the form of another actor instead, whose arguments a model's form would keep.
            self.instance.kwargs = cleaned["kwargs"]
        return cleaned

    def _clean_arguments(self, form: type[forms.Form]) -> None:
        """Take the arguments of the schedule from the actor's own form."""
        if self.is_first_shown:
            self.add_error("task_name", _("This actor has a form of its own for its arguments. Fill it in below."))
            return
        filled_in = form(self.data, prefix=PREFIX)
        kept = {
            name: value for name, value in self._kept_arguments(self._actor_name()).items() if name in form.base_fields
        }
        for name, own in filled_in.fields.items():
            guard(own)
            own.required = own.required and name not in kept
        for name, errors in filled_in.errors.items():
            field = None if name == NON_FIELD_ERRORS else argument_field(name)
            if field is None or field not in self.errors:
                self.add_error(field, errors)
        if not filled_in.is_valid():
            return
        try:
            found = arguments_of(filled_in)
            self.instance.kwargs = self._with_secrets({**kept, **found})
        except BadFormError as error:
            field = argument_field(error.field)
            self.add_error(field if field in self.fields else "task_name", json_safe.clean_text(str(error)))

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        now = clock.faster(timezone.now())
        schedule = self.instance
        if schedule.pk is None or self._has_new_times():
            schedule.anchor_at = self._anchor(now)
        found = checking.errors(schedule)
        if not found and not self.errors and (schedule.pk is None or self._has_new_times()):
            found = checking.never(schedule, now=now)
        for column, message in found.items():
            field = SHOWN_AT.get(column, column)
            if field == "kwargs" and self.arguments_form is not None:
                field = "task_name"
            if field in self.fields and field not in self.errors and not self._hides(field):
                self.add_error(field, message)

    def _hides(self, field: str) -> bool:
        """Return whether an error of a field only follows from the error of another one."""
        return field == "cron" and "every" in self.errors

    def _has_new_times(self) -> bool:
        return bool(set(TIMES) & set(self.changed_data))

    def _anchor(self, now: Any) -> Any:
        """Return the time from which the interval would be counted."""
        if self.instance.start_at:
            return self.instance.start_at
        if self.instance.pk is not None and not {"every", "every_unit"} & set(self.changed_data):
            return self.instance.anchor_at
        return now.replace(microsecond=0)

    def time_errors(self) -> list[str]:
        """Return the errors of the fields that the next times depend on."""
        self.full_clean()
        found = [str(error) for name in TIMES for error in self.errors.get(name, [])]
        if not found and self.instance.decided_until is None:
            actions.begin(self.instance, now=clock.faster(timezone.now()))
        return found

    def changed_values(self) -> dict[str, Any]:
        """Return the changed columns and their values."""
        values = {name: self.cleaned_data[name] for name in self.changed_data if name in ScheduleForm.Meta.fields}
        if {"every", "every_unit"} & set(self.changed_data):
            values["interval_seconds"] = self.instance.interval_seconds
        if self.arguments_form is not None:
            values["kwargs"] = self.instance.kwargs
        return values


def _query(actor_name: str) -> str:
    return urlencode({"task_name": actor_name})


def _monospaced(field: forms.Field) -> str:
    return f"{field.widget.attrs.get('class', '')} task-monospaced"
