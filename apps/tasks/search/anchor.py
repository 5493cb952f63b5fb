"""Rows that an index finds, from which a search starts."""

from dataclasses import dataclass
from typing import Any

from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from apps.tasks import states
from apps.tasks.models.task import IN_LINE


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """Rows that an index finds.

    Parameters:
      condition: Condition of the rows.
      order: Column by which the index has them, with a minus if the last ones count. Empty: they are few, so all of
        them are searched.
      rank: Of several anchors, the one with the least rank is taken.
      limited: Sentence of a search that is limited to the first `%(count)s` of them.
      always_limited: Whether the condition itself has a limit, so that the sentence is always true.
    """

    condition: Q
    order: str = "-pk"
    rank: int
    limited: Any = ""
    always_limited: bool = False

    def first(self, rows: QuerySet[Any], count: int) -> tuple[QuerySet[Any], bool]:
        """Return the first `count` of the rows, which have this condition, and whether there are as many.

        This takes a query.
        """
        column = self.order.removeprefix("-")
        if not column:
            return rows, False
        # By another name, so that it is sorted by the column, which has an index, and not by what is read of it.
        found = rows.order_by(self.order).annotate(last=F(column)).values_list("last", flat=True)
        last = found[count - 1 : count].first()
        if last is None:
            return rows, False
        return rows.filter(**{f"{column}__{'gte' if self.order.startswith('-') else 'lte'}": last}), True


#: Ranks of anchors.
FEW, CAUSE_RANK, OWNER_RANK, STATE_RANK, ENDED_RANK, DONE_RANK, TABLE_RANK = range(7)

TABLE = Anchor(condition=Q(), rank=TABLE_RANK, limited=_("Searched: the newest %(count)s tasks."))
PENDING = Anchor(
    condition=Q(status=states.PENDING),
    rank=STATE_RANK,
    limited=_("Searched: the newest %(count)s tasks that wait."),
)
DELAYED = Anchor(
    condition=Q(status=states.PENDING, delayed=True),
    order="run_at",
    rank=STATE_RANK,
    limited=_("Searched: the %(count)s delayed tasks that are due first."),
)
LIMITED = Anchor(
    condition=Q(**IN_LINE),
    rank=STATE_RANK,
    limited=_("Searched: the newest %(count)s tasks that wait for a limit."),
)
RUNNING = Anchor(condition=Q(status=states.PROCESSING), order="", rank=FEW)
FAILED = Anchor(
    condition=Q(status=states.FAILED),
    rank=STATE_RANK,
    limited=_("Searched: the newest %(count)s failed tasks."),
)
CANCELLED = Anchor(
    condition=Q(status=states.CANCELLED),
    rank=STATE_RANK,
    limited=_("Searched: the newest %(count)s cancelled tasks."),
)
ENDED = Anchor(
    condition=Q(finished_at__isnull=False),
    order="-finished_at",
    rank=DONE_RANK,
    limited=_("Searched: the %(count)s tasks that ended last."),
)
