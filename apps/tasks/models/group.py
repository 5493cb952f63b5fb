"""Groups of tasks."""

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.tasks.models.task import TaskStatus
from apps.tasks.models.written_json import WrittenJSONField


class TaskGroup(models.Model):
    """One run of a group. `apps.tasks.ledger.groups` alone writes it.

    Nothing is counted here: the rows of the members tell how far the group is. The group only notes a member whose end
    it waits for, so that one look-up tells whether there is anything to do.
    """

    key = models.CharField(
        _("key"),
        max_length=255,
        unique=True,
        help_text=_("Id of one run of the group. Written by the sender."),
    )
    size = models.PositiveIntegerField(
        _("size"),
        db_default=0,
        help_text=_("Number of members. A pipeline is one member. Written by the sender."),
    )
    callbacks = WrittenJSONField(
        _("callbacks"),
        default=list,
        db_default=[],
        help_text=_(
            "Messages to send at the end of the group, each with the end that it is for, as a JSON list. Written by "
            "the sender."
        ),
    )
    position = models.PositiveIntegerField(
        _("position"),
        db_default=0,
        help_text=_("Position of the task that the group waits for. Written as members end."),
    )
    waits_for = models.CharField(
        _("waits for"),
        max_length=255,
        db_default="",
        help_text=_(
            "Task whose end the group waits for. Empty: the group waits for nothing more. Written as members end."
        ),
    )
    remaining = models.PositiveIntegerField(
        _("remaining"),
        null=True,
        help_text=_("Written and counted down by earlier versions of the code. Not used."),
    )
    created_at = models.DateTimeField(
        _("created at"), auto_now_add=True, help_text=_("Time of the send, in UTC. Written by the sender.")
    )
    ended_at = models.DateTimeField(
        _("ended at"),
        null=True,
        help_text=_("First time at which all members had ended, in UTC. Written by a worker or the relay."),
    )

    class Meta:
        verbose_name = _("task group")
        verbose_name_plural = _("task groups")
        indexes = [
            models.Index(fields=["waits_for"], name="groups_waiting", condition=~models.Q(waits_for="")),
            models.Index(fields=["ended_at"], name="groups_ended", condition=models.Q(ended_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return gettext("group of %(count)s") % {"count": self.size}


class TaskGroupMember(models.Model):
    """A task of a group, before or after its row is recorded: later tasks of a pipeline have none yet."""

    group = models.ForeignKey(
        TaskGroup,
        verbose_name=_("group"),
        on_delete=models.CASCADE,
        related_name="members",
        db_index=False,  # The constraint has one.
        help_text=_("Group that it belongs to. Written by the sender."),
    )
    task = models.ForeignKey(
        TaskStatus,
        verbose_name=_("task"),
        to_field="task_id",
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
        help_text=_("Id of the task. Written by the sender."),
    )
    position = models.PositiveIntegerField(
        _("position"), help_text=_("Place in the order in which the group waits, from 0. Written by the sender.")
    )
    number = models.PositiveIntegerField(
        _("number"),
        help_text=_(
            "Number of the member in its group, from 0. All tasks of a pipeline have the same. Written by the sender."
        ),
    )
    is_last = models.BooleanField(
        _("last"),
        help_text=_("Whether its completion completes the member: the last task of a pipeline. Written by the sender."),
    )

    class Meta:
        verbose_name = _("member of a task group")
        verbose_name_plural = _("members of task groups")
        constraints = [models.UniqueConstraint(fields=["group", "position"], name="groups_members")]

    def __str__(self) -> str:
        return str(self.task_id)
