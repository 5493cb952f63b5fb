"""Notes of what people did to tasks, queues, actors, workers, schedules and alerts."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

#: Length of a reason, in characters.
REASON_MAX_LENGTH = 1_000


class AuditEntry(models.Model):
    """One act of a person. `apps.tasks.audit` alone writes it.

    It names the person in words, since the terminal has no user and a user may be deleted.
    """

    ADMIN = "admin"
    API = "api"
    PAGE = "page"
    TERMINAL = "terminal"
    SYSTEM = "system"
    DOORS = [
        (ADMIN, _("admin")),
        (API, _("API")),
        (PAGE, _("page of a writer")),
        (TERMINAL, _("terminal")),
        (SYSTEM, _("task system")),
    ]

    at = models.DateTimeField(
        _("time"), help_text=_("Time of the act, in UTC by the database's clock. Written with the act.")
    )
    verb = models.CharField(
        _("action"),
        max_length=30,
        help_text=_("Name of the act, one of `apps.tasks.audit.VERBS`. Written with the act."),
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text=_("User who acted. Empty: the terminal, or the user is deleted. Written with the act."),
    )
    name = models.CharField(
        _("by"),
        max_length=255,
        help_text=_("Name of the user then, or of the system user of the terminal. Written with the act."),
    )
    door = models.CharField(
        _("from"), max_length=10, choices=DOORS, help_text=_("Where the act came from. Written with the act.")
    )
    target = models.CharField(
        _("what"),
        max_length=255,
        blank=True,
        default="",
        help_text=_(
            "What it was done to, such as `queue:documents`. Of one task: its actor and its id. Written with the act."
        ),
    )
    row_id = models.BigIntegerField(
        _("row id"),
        null=True,
        blank=True,
        help_text=_("Row of the task. Empty: several tasks, or none. Written with the act."),
    )
    number = models.PositiveIntegerField(
        _("number"), default=0, help_text=_("Number of tasks that it changed. Written with each page of them.")
    )
    total = models.PositiveIntegerField(
        _("of"),
        default=0,
        help_text=_("Number of tasks that it was to change, as they were when it began. Written with the act."),
    )
    value = models.CharField(
        _("value"),
        max_length=255,
        blank=True,
        default="",
        help_text=_("New value, such as a priority or a queue. Written with the act."),
    )
    query = models.TextField(
        _("query"),
        blank=True,
        default="",
        help_text=_("Query of the list whose tasks were meant, as in its address. Written with the act."),
    )
    reason = models.TextField(
        _("reason"),
        max_length=REASON_MAX_LENGTH,
        blank=True,
        default="",
        help_text=_("Reason in the person's words. Written by the person."),
    )
    task_id = models.CharField(
        _("task id"),
        max_length=255,
        blank=True,
        default="",
        help_text=_("Task that carries the act out. Empty: it was done at once. Written with the act."),
    )

    class Meta:
        ordering = ["-id"]
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit")
        indexes = [
            models.Index(fields=["at"], name="audit_at"),
            models.Index(fields=["row_id"], name="audit_row", condition=models.Q(row_id__isnull=False)),
            models.Index(fields=["target", "-id"], name="audit_target", condition=~models.Q(target="")),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.target}".strip()


class AuditPage(models.Model):
    """Up to a page of the tasks of an entry, by their rows. Those of one entry do not overlap until they are done.

    Rows of other tasks may lie between its first and its last one. Exactly its own are in `runs`.
    """

    entry = models.ForeignKey(
        AuditEntry,
        verbose_name=_("entry"),
        on_delete=models.CASCADE,
        related_name="pages",
        help_text=_("Act that they belong to. Written with the act."),
    )
    first = models.BigIntegerField(_("first"), help_text=_("Smallest row id. Written with the act."))
    last = models.BigIntegerField(_("last"), help_text=_("Largest row id. Written with the act."))
    runs = models.JSONField(
        _("runs"),
        default=list,
        help_text=_("Row ids as a JSON list of pairs: the first one, and how many follow on. Written with the act."),
    )
    number = models.PositiveIntegerField(_("number"), help_text=_("Number of row ids. Written with the act."))
    change = models.CharField(
        _("change"),
        max_length=30,
        blank=True,
        default="",
        help_text=_(
            "What became of these tasks, one of `apps.tasks.audit.VERBS`. Empty: they have their turn yet. Written "
            "when they have had it."
        ),
    )

    class Meta:
        verbose_name = _("audit page")
        verbose_name_plural = _("audit pages")
        indexes = [models.Index(fields=["last", "first"], name="audit_pages_rows")]

    def __str__(self) -> str:
        return f"{self.number} rows from {self.first} to {self.last}"
