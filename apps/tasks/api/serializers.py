"""Tasks in the API, and the query of their list."""

from typing import Any

from django.db import models
from rest_framework import serializers

from apps.tasks import ledger, masking, owner_error, states
from apps.tasks.models import TaskStatus

#: Columns without those for the ledger alone: the message, the claim, the traceback.
SHOWN_FIELDS = (
    "task_id",
    "task_name",
    "status",
    "progress",
    "progress_text",
    "result",
    "error_message",
    "error_type",
    "related_object_id",
    "related_object_type",
    "queue_name",
    "priority",
    "attempt",
    "retries",
    "snoozes",
    "crashes",
    "created_at",
    "updated_at",
    "run_at",
    "expires_at",
    "claimed_at",
    "started_at",
    "finished_at",
    "cancel_requested_at",
)


class MaskedSerializer(serializers.ModelSerializer[TaskStatus]):
    """A task whose result has no secrets.

    With `hides_result` in its context, the reader may not see what tasks were given, logged and returned.
    """

    def to_representation(self, instance: TaskStatus) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(instance)
        shown["result"] = None if self.context.get("hides_result") else masking.shown_result(instance)
        if (is_cut := getattr(instance, "is_cut", None)) is not None:
            shown["is_cut"] = is_cut
        return shown


class TaskSerializer(MaskedSerializer):
    """A task as users see it. Of errors they see the texts that are written for them."""

    class Meta:
        model = TaskStatus
        fields: tuple[str, ...] = SHOWN_FIELDS

    def to_representation(self, instance: TaskStatus) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(instance)
        shown["error_type"], shown["error_message"] = owner_error.of(instance)
        return shown


class StaffTaskSerializer(MaskedSerializer):
    """A task as staff see it who may see all tasks: with its owner, its errors and the traceback."""

    class Meta:
        model = TaskStatus
        fields: tuple[str, ...] = (*SHOWN_FIELDS, "owner", "traceback")


class TaskDetailSerializer(TaskSerializer):
    """One task as users see it, with the reason for which it waits."""

    why = serializers.SerializerMethodField()

    class Meta(TaskSerializer.Meta):
        fields = (*TaskSerializer.Meta.fields, "why")

    def get_why(self, task: TaskStatus) -> str | None:
        return ledger.why(task).owner_text if task.status == states.PENDING else None


class StaffTaskDetailSerializer(StaffTaskSerializer):
    """One task as staff see it who may see all tasks, with the reason for which it waits and what helps."""

    why = serializers.SerializerMethodField()

    class Meta(StaffTaskSerializer.Meta):
        fields = (*StaffTaskSerializer.Meta.fields, "why")

    def get_why(self, task: TaskStatus) -> str | None:
        return str(ledger.why(task)) if task.status == states.PENDING else None


class TaskQuerySerializer(serializers.Serializer[Any]):
    """The query of the list of tasks: `?status=failed&task_name=documents.process_document`."""

    status = serializers.ChoiceField(
        choices=list(states.STATES),
        required=False,
        error_messages={"invalid_choice": f"Unknown status '{{input}}', must be one of: {', '.join(states.STATES)}"},
    )
    task_name = serializers.CharField(required=False, max_length=255)
    related_object_type = serializers.CharField(required=False, max_length=255)
    related_object_id = serializers.IntegerField(
        required=False, min_value=-models.BigIntegerField.MAX_BIGINT - 1, max_value=models.BigIntegerField.MAX_BIGINT
    )
