"""The theme of the admin: its name, its icon and its side bar. Settings of django-unfold."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def _page(title: str, *, model: str, icon: str) -> dict[str, Any]:
    """Return a line of the side bar, shown to users who may see the model's rows."""
    app_label, name = model.split(".")

    def may_see(request: HttpRequest) -> bool:
        return any(request.user.has_perm(f"{app_label}.{verb}_{name}") for verb in ("view", "change"))

    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app_label}_{name}_changelist"),
        "permission": may_see,
    }


def _of_tasks(title: str, *, view: str, icon: str) -> dict[str, Any]:
    """Return a line of the side bar, shown to users who may see tasks."""
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{view}"),
        "permission": lambda request: request.user.has_perm("tasks.view_taskstatus"),
    }


def _is_about_tasks(request: HttpRequest) -> bool:
    """Return whether a page is the list of tasks, or is about one. *Failures* and others lie below its address."""
    match = request.resolver_match
    return match is not None and (match.url_name or "").startswith("tasks_taskstatus_")


UNFOLD = {
    "SITE_TITLE": "aiWriting",
    "SITE_HEADER": "aiWriting",
    "SITE_SYMBOL": "edit_note",
    "SITE_URL": reverse_lazy("pages:home"),
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("tasks/icon.svg")},
    ],
    "STYLES": [lambda request: static("aiwriting/admin.css"), lambda request: static("tasks/admin.css")],
    "SCRIPTS": [lambda request: static("aiwriting/admin.js")],
    "COLORS": lambda request: {},  # aiwriting/admin.css has them.
    "SIDEBAR": {
        "navigation": [
            {
                "title": "Work",
                "items": [
                    {
                        "title": "Now",
                        "icon": "monitor_heart",
                        "link": reverse_lazy("admin:index"),
                        "permission": lambda request: request.user.has_perm("tasks.view_taskstatus"),
                    },
                    {**_page("Tasks", model="tasks.taskstatus", icon="task_alt"), "active": _is_about_tasks},
                    _of_tasks("Failures", view="tasks_failures", icon="error"),
                    _of_tasks("Queues", view="tasks_pause_queues", icon="stacks"),
                    _of_tasks("Actors", view="tasks_pause_actors", icon="function"),
                    _page("Schedules", model="tasks.schedule", icon="schedule"),
                    _page("Task groups", model="tasks.taskgroup", icon="account_tree"),
                    _page("Limits", model="tasks.limit", icon="traffic"),
                    _page("Processes", model="tasks.workerprocess", icon="memory"),
                    _of_tasks("Since the deploy", view="tasks_deploy", icon="rocket_launch"),
                    _page("Alerts", model="tasks.alert", icon="notifications"),
                    _page("Alert rules", model="tasks.alertrule", icon="rule"),
                    _page("Audit", model="tasks.auditentry", icon="history"),
                ],
            },
            {
                "title": "Writing",
                "items": [
                    _page("Projects", model="projects.project", icon="folder"),
                    _page("Memberships", model="projects.membership", icon="group_add"),
                    _page("Documents", model="documents.document", icon="description"),
                ],
            },
            {
                "title": "People",
                "items": [
                    _page("Users", model="accounts.user", icon="person"),
                    _page("Quotas", model="accounts.allowance", icon="speed"),
                    _page("Groups", model="auth.group", icon="group"),
                    _page("Sign-in limits", model="accounts.throttle", icon="lock_clock"),
                    _page("API tokens", model="accounts.apitoken", icon="key"),
                ],
            },
        ],
    },
}
