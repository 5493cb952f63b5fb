"""The rule by which staff see the rows of others, in the API and on pages as in the admin."""

from typing import Any

from django.contrib.auth import get_permission_codename
from django.db import models


def sees_all(user: Any, model: type[models.Model]) -> bool:
    """Return whether the user sees every row of the model: superusers, and staff who may view or change it."""
    if not getattr(user, "is_active", False):
        return False
    if getattr(user, "is_superuser", False):
        return True
    opts = model._meta
    names = (f"{opts.app_label}.{get_permission_codename(action, opts)}" for action in ("view", "change"))
    return bool(getattr(user, "is_staff", False)) and any(user.has_perm(name) for name in names)
