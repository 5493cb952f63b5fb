"""The next times of a schedule, also of one that is not saved yet."""

from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from apps.tasks import duration
from apps.tasks.admin import row_key
from apps.tasks.admin.schedule.form import interval_in_words
from apps.tasks.models import Schedule
from apps.tasks.schedules import clock

#: Number of upcoming slots to show.
UPCOMING = 5


class PreviewMixin:
    """Adds the view that previews the form while it is being filled in."""

    admin_site: Any

    def get_urls(self) -> list[URLPattern]:
        own = [path("preview/", self.admin_site.admin_view(self.preview), name="tasks_schedule_preview")]
        return [*own, *super().get_urls()]  # type: ignore[misc]

    def preview(self: Any, request: HttpRequest) -> HttpResponse:
        """Return the next times of the schedule in the form, or its errors."""
        key = row_key.parse(request.GET.get("pk", ""))
        schedule = None if key is None else Schedule.objects.filter(pk=key).first()
        if not (self.has_change_permission(request, schedule) or self.has_add_permission(request)):
            raise PermissionDenied
        form = self.get_form(request, schedule, change=schedule is not None)(request.GET, instance=schedule)
        found = form.time_errors()
        return HttpResponse(errors(found) if found else upcoming(form.instance))


def errors(sentences: list[str]) -> SafeString:
    return render_to_string("tasks/schedule/upcoming.html", {"errors": sentences})


def upcoming(schedule: Schedule) -> SafeString:
    """Return the next times of a valid schedule, in its zone."""
    now = clock.faster(timezone.now())
    timing = schedule.timing
    after = max(now, schedule.decided_until or now)
    times = [
        {
            "iso": slot.astimezone(timing.zone).isoformat(),
            "shown": _local(slot.astimezone(timing.zone)),
            "utc": "" if schedule.time_zone == "UTC" else f"{slot:%H:%M} UTC",
            "wait": _("in %(duration)s") % {"duration": duration.in_words(slot - now)} if slot > now else _("now"),
        }
        for slot in timing.upcoming(after, count=UPCOMING)
    ]
    context = {
        "words": in_words(schedule),
        "times": times,
        "zone": schedule.time_zone,
        "jitter": schedule.jitter_seconds,
    }
    return render_to_string("tasks/schedule/upcoming.html", context)


def in_words(schedule: Schedule) -> str:
    """Return the time of a schedule in words. Those of a cron text are English."""
    try:
        timing = schedule.timing
    except ValueError:
        return schedule.cron
    return timing.cron.words if timing.cron else interval_in_words(schedule.interval_seconds or 0)


def _local(time: datetime) -> str:
    """Return a time such as `Mon 30 Nov 2026, 08:00 CET`."""
    format = "D j M Y, H:i:s" if time.second else "D j M Y, H:i"
    return f"{date_format(time, format)} {time.tzname()}"
