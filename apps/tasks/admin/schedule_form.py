"""The form of a schedule: what is wrong is told at the field, before anything is saved."""

import json
from typing import Any

import dramatiq
from django import forms
from django.utils import timezone
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from apps.tasks.models import Schedule
from apps.tasks.schedules import actions, checking, clock, zones

#: The units of an interval, in seconds, the largest first.
UNITS = {86_400: "days", 3_600: "hours", 60: "minutes", 1: "seconds"}
MOST_DAYS = 3_660

#: The inputs that the next times depend on, by their names in the page.
TIME_FIELDS = (
    "cron", "every", "every_unit", "time_zone", "start_at_0", "start_at_1", "end_at_0", "end_at_1", "jitter_seconds",
)  # fmt: skip
#: The fields of these inputs, and where an error of a column is told.
TIMES = ("cron", "every", "every_unit", "time_zone", "start_at", "end_at", "jitter_seconds")
TOLD_AT = {"interval_seconds": "every"}


def interval_in_words(seconds: int) -> str:
    """Such as `Every 15 minutes`."""
    count, unit = _in_unit(seconds)
    return f"Every {UNITS[unit][:-1]}" if count == 1 else f"Every {count:,} {UNITS[unit]}"


def _in_unit(seconds: int) -> tuple[int, int]:
    """The number and the largest unit that is whole."""
    unit = next(unit for unit in UNITS if seconds % unit == 0)
    return seconds // unit, unit


class ZoneInput(UnfoldAdminTextInputWidget):  # type: ignore[misc]
    """A text with the known zones to choose from."""

    template_name = "tasks/schedules/zone.html"

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, {**(attrs or {}), "list": "time-zones"})
        context["widget"]["zones"] = zones.names()
        return context


class ScheduleForm(forms.ModelForm):
    """A schedule, new or changed. A declared one keeps its name, actor and arguments."""

    every = forms.IntegerField(
        required=False, min_value=1, widget=UnfoldAdminIntegerFieldWidget, label="Or every",
        help_text="Instead of a cron text. Counted from the start or, without one, from when it was saved.",
    )  # fmt: skip
    every_unit = forms.TypedChoiceField(
        choices=[(str(seconds), name) for seconds, name in reversed(UNITS.items())],
        coerce=int, initial="60", required=False, widget=UnfoldAdminSelectWidget, label="Unit",
    )  # fmt: skip

    class Meta:
        model = Schedule
        fields = (
            "name", "task_name", "kwargs", "cron", "time_zone", "start_at", "end_at", "missed_policy", "missed_limit",
            "grace_seconds", "overlap", "jitter_seconds", "enabled",
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.interval_seconds:
            self.initial["every"], self.initial["every_unit"] = _in_unit(self.instance.interval_seconds)
        if "cron" in self.fields:
            self.fields["cron"].widget.attrs |= {"placeholder": "0 8 * * 1", "class": _mono(self.fields["cron"])}
        if "time_zone" in self.fields:
            self.fields["time_zone"].widget = ZoneInput()
        if self.instance.is_declared:
            for name in ("name", "task_name", "kwargs"):
                self.fields.pop(name, None)
        if "task_name" in self.fields:
            known = sorted({*dramatiq.get_broker().actors, self.instance.task_name} - {""})
            field = forms.CharField(
                label="Actor",
                help_text=self.fields["task_name"].help_text,
                widget=UnfoldAdminSelectWidget(choices=[("", "Choose an actor"), *((name, name) for name in known)]),
            )
            self.fields["task_name"] = field
        if "kwargs" in self.fields:
            # A text that is no JSON is told with where it goes wrong.
            self.fields["kwargs"] = forms.CharField(
                label="Arguments",
                required=False,
                strip=True,
                help_text=self.fields["kwargs"].help_text,
                widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "spellcheck": "false"}),
            )
            self.initial["kwargs"] = json.dumps(self.instance.kwargs, ensure_ascii=False)

    def clean_kwargs(self) -> Any:
        text = self.cleaned_data["kwargs"]
        try:
            found = json.loads(text or "{}")
        except json.JSONDecodeError as error:
            raise forms.ValidationError(
                f"This is not JSON: {error.msg} at line {error.lineno}, column {error.colno}. "
                'It must be an object such as {"report_type": "summary"}.'
            ) from None
        except RecursionError:
            raise forms.ValidationError("This JSON is nested too deeply.") from None
        except ValueError:
            raise forms.ValidationError("This JSON has a number of more than 4,300 digits.") from None
        if not isinstance(found, dict):
            start = text if len(text) <= 100 else f"{text[:100]}..."
            raise forms.ValidationError(f'This is {start}, must be an object such as {{"report_type": "summary"}}.')
        return found

    def clean(self) -> dict[str, Any]:
        clean_text: dict[str, Any] = super().clean() or self.cleaned_data
        every, unit = clean_text.get("every"), clean_text.get("every_unit") or 60
        if every is not None and every * unit > MOST_DAYS * 86_400:
            self.add_error("every", f"This is {every * unit // 86_400:,} days, at most {MOST_DAYS:,} are allowed.")
            every = None
        if "every" not in self.errors:
            self.instance.interval_seconds = every * unit if every else None
        return clean_text

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
            field = TOLD_AT.get(column, column)
            if field in self.fields and field not in self.errors and not self._hides(field):
                self.add_error(field, message)

    def _hides(self, field: str) -> bool:
        """Whether an error of a field is only that another one of the time has an error."""
        return field == "cron" and "every" in self.errors

    def _has_new_times(self) -> bool:
        return bool(set(TIMES) & set(self.changed_data))

    def _anchor(self, now: Any) -> Any:
        """From when the interval would be counted."""
        if self.instance.start_at:
            return self.instance.start_at
        if self.instance.pk is not None and not {"every", "every_unit"} & set(self.changed_data):
            return self.instance.anchor_at
        return now.replace(microsecond=0)

    def time_errors(self) -> list[str]:
        """What is wrong with the fields that the next times depend on; nothing else is looked at."""
        self.full_clean()
        found = [str(error) for name in TIMES for error in self.errors.get(name, [])]
        if not found and self.instance.decided_until is None:
            actions.begin(self.instance, now=clock.faster(timezone.now()))
        return found

    def changed_values(self) -> dict[str, Any]:
        """The columns that were changed, and their values."""
        values = {name: self.cleaned_data[name] for name in self.changed_data if name in self.Meta.fields}
        if {"every", "every_unit"} & set(self.changed_data):
            values["interval_seconds"] = self.instance.interval_seconds
        return values


def _mono(field: forms.Field) -> str:
    return f"{field.widget.attrs.get('class', '')} font-mono"
