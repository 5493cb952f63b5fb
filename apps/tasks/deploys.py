"""Deploys: the times at which another version of the code began to run."""

from django.db import IntegrityError, transaction

from apps.tasks.clock import ClockTimestamp
from apps.tasks.models import Deploy, WorkerProcess


def note(version: str) -> bool:
    """Record a deploy unless the last one has this version. Return whether this process recorded it.

    While processes of this version live that are older than the last deploy, that deploy is still going on, and a new
    process of the version is one of the old code. `look` tells a roll-back at that time.

    Parameters:
      version: Version of the code of a process that starts. Empty: it is not known, and nothing is recorded.
    """
    if not version:
        return False
    last = Deploy.objects.first()
    if last is not None and last.version == version:
        return False
    if (
        last is not None
        and WorkerProcess.objects.beating().filter(code_version=version, started_at__lt=last.at).exists()
    ):
        return False
    return _record(version, after=last)


def look() -> bool:
    """Record a deploy if no process has the version of the last one any more. Return whether this process did."""
    last = Deploy.objects.first()
    if last is None:
        return False
    living = WorkerProcess.objects.beating().exclude(code_version="").order_by("started_at")
    versions = list(living.values_list("code_version", flat=True))
    if not versions or last.version in versions:
        return False
    return _record(versions[-1], after=last)


def _record(version: str, *, after: Deploy | None) -> bool:
    try:
        with transaction.atomic():
            Deploy.objects.create(
                number=after.number + 1 if after is not None else 1, version=version, at=ClockTimestamp()
            )
    except IntegrityError:
        return False  # Another process did.
    return True
