"""Time zones by their names in the tz database."""

import difflib
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from django.utils.translation import gettext as _

from apps.tasks.errors import UnknownZoneError

#: Names of files beside the zones.
NO_ZONES = {"Factory", "localtime"}


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """Return all names, in order."""
    return tuple(sorted(_known()))


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    return frozenset(available_timezones() - NO_ZONES)


def named(name: str) -> ZoneInfo:
    """Return the zone of that name, such as `Europe/Paris`.

    Raises:
      UnknownZoneError: There is none. The message lists similar names.
    """
    try:
        # Beside the zones some machines have more files, such as `right/UTC`, which is 27 s off.
        if name not in _known():
            raise KeyError(name)
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        by_lower = {known.lower(): known for known in names()}
        alike = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.85)
        known = _(" or ").join(by_lower[found] for found in alike)
        raise UnknownZoneError(
            _("Unknown time zone %(name)r, must be a name of the tz database: %(known)s")
            % {"name": name, "known": known or _("UTC, Europe/Paris, America/New_York and the like")}
        ) from None
