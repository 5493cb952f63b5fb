"""Related objects of tasks: their names, and links to their pages."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.contrib.admin.exceptions import NotRegistered
from django.contrib.admin.sites import AdminSite
from django.contrib.admin.utils import quote
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import Truncator
from django.utils.translation import gettext as _

#: Length in characters above which a name is cut.
NAME_LENGTH = 60


def name_related(tasks: Iterable[Any], *, request: HttpRequest, site: AdminSite) -> None:
    """Give each task a `related_link`: the name of its object, as a link if the user may see the object.

    This takes one query for each type of object.
    """
    tasks = list(tasks)
    ids_by_type: defaultdict[str, set[int]] = defaultdict(set)
    for task in tasks:
        if task.related_object_type and task.related_object_id is not None:
            ids_by_type[task.related_object_type].add(task.related_object_id)
    links = {
        (label, pk): link
        for label, ids in ids_by_type.items()
        for pk, link in _links(label, ids, request=request, site=site).items()
    }
    for task in tasks:
        task.related_link = links.get((task.related_object_type, task.related_object_id), "")


def _links(label: str, ids: set[int], *, request: HttpRequest, site: AdminSite) -> dict[int, str]:
    """Return a link by primary key, or the bare type and key of an object without a page that the user may see."""
    bare = {pk: f"{label.rpartition('.')[2]} {pk}" for pk in ids}
    try:
        model = apps.get_model(label)
        model_admin = site.get_model_admin(model)
    except (LookupError, ValueError, NotRegistered):
        return bare
    if not model_admin.has_view_or_change_permission(request):
        return bare
    change_page = f"{site.name}:{model._meta.app_label}_{model._meta.model_name}_change"
    found = model_admin.get_queryset(request).in_bulk(ids)
    gone = {pk: format_html('<del title="{}">{}</del>', _("Deleted"), text) for pk, text in bare.items()}
    return gone | {
        pk: format_html(
            '<a href="{}" class="text-link task-about">{}</a>',
            reverse(change_page, args=[quote(pk)]),
            Truncator(str(instance) or bare[pk]).chars(NAME_LENGTH),
        )
        for pk, instance in found.items()
    }
