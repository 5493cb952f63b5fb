"""Worker processes."""

import uuid

from django.db import models


class WorkerProcess(models.Model):
    """A worker process that lives, or lived. Its heartbeat is what the relay judges it by."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, help_text="Made when the process boots.")
    broker_id = models.CharField(max_length=64, help_text="Under which Redis keeps what it fetched.")
    host = models.CharField(max_length=255, help_text="Boot id and pid namespace: what really makes a host.")
    hostname = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    process_started = models.CharField(max_length=64, help_text="Tells this process from a later one with its pid.")
    queues = models.JSONField(default=list, help_text="Queues it takes from. Empty: all.")
    threads = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField(help_text="Its last heartbeat.")
    beats = models.BigIntegerField(default=0, help_text="Rises with each heartbeat: what the relay compares.")
    stopped_at = models.DateTimeField(null=True, blank=True, help_text="Stopped by itself, or declared dead.")

    class Meta:
        ordering = ["-started_at"]
        verbose_name_plural = "worker processes"

    def __str__(self) -> str:
        return f"{self.hostname}:{self.pid}"
