"""The dashboard "Now": trouble, counts, causes, the longest runs and the next schedules, on one page."""

from apps.tasks.admin.now.page import NowAdmin, index

__all__ = ["NowAdmin", "index"]
