"""Pages of a table that may have millions of rows."""

from functools import cached_property
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import F

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

    def page(self, number: int | str) -> Page[Any]:
        """Return a page. SQLite sorts whole rows, however many, to show 50 of them: so it sorts their keys first."""
        page: Page[Any] = super().page(number)
        rows: Any = page.object_list
        page.object_list = self.object_list.filter(
            pk__in=list(rows.annotate(key=F("pk")).values_list("key", flat=True))
        )
        return page
