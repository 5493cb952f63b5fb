"""Pages of a table that may have millions of rows."""

from functools import cached_property
from typing import Any

from django.core.paginator import Paginator

from apps.tasks.admin import theme


class CappedPaginator(Paginator):
    """Counts up to `cap` rows and shows no more. People find older rows by search and filters.

    Counting a large table reads all of it, and so does a page at its far end.
    """

    object_list: Any
    cap = 10_000
    template_name = theme.template("pagination.html")

    @cached_property
    def _counted(self) -> int:
        return int(self.object_list.order_by()[: self.cap + 1].count())

    @property
    def count(self) -> int:
        return min(self._counted, self.cap)

    @property
    def is_capped(self) -> bool:
        """Whether there are more rows than `cap`."""
        return self._counted > self.cap
