"""Sentences about a task that has ended."""

from django.utils.translation import gettext as _
from django.utils.translation import ngettext_lazy

from apps.tasks import failures, owner_error, states
from apps.tasks.reasons import words
from apps.tasks.reasons.facts import Facts
from apps.tasks.reasons.reason import Reason

RETRIES = ngettext_lazy("after %(count)s automatic retry", "after %(count)s automatic retries", "number")


def of(facts: Facts) -> Reason:
    task = facts.task
    values = {"time": _("an unknown time") if task.finished_at is None else words.at(task.finished_at)}
    ran = None
    if task.started_at is not None and task.finished_at is not None:
        ran = words.lasting(task.finished_at - task.started_at)
    if task.status == states.COMPLETED:
        text = _("It completed at %(time)s") % values
        if task.retries:
            text += " " + words.counted(RETRIES, task.retries)
            text += "" if ran is None else _(", and its last attempt took %(time)s") % {"time": ran}
        else:
            text += "" if ran is None else _(" after %(time)s") % {"time": ran}
        return Reason(kind="completed", text=text + ".", owner_text=_("Done"))
    if task.status == states.CANCELLED:
        text = _("It was cancelled at %(time)s") % values
        text += _(" before it started.") if ran is None else _(" after it had run for %(time)s.") % {"time": ran}
        return Reason(kind="cancelled", text=text, owner_text=_("Cancelled"))
    parts = [_("It failed at %(time)s") % values]
    if task.retries:
        parts.append(words.counted(RETRIES, task.retries))
    error = words.cut(failures.in_words(task.error_type, task.error_message))
    text = " ".join(parts) + (f": {error}." if error else ".")
    return Reason(kind="failed", text=text, owner_text=owner_error.of(task)[1] or _("It did not work."))
