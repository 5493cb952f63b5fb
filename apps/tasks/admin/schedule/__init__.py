"""Pages of schedules: the list, and one schedule with its form, its next times and the outcomes of its slots."""

from apps.tasks.admin.schedule.admin import ScheduleAdmin

__all__ = ["ScheduleAdmin"]
