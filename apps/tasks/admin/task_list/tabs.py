"""Tabs of the list: the states that tasks have, with their numbers."""

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext, gettext_lazy

from apps.tasks import search
from apps.tasks.admin import elements, waiting
from apps.tasks.models import TaskStatus
from apps.tasks.search import Search
from apps.tasks.search.states import TABS
from apps.tasks.statements import pending

#: Tasks that a tab counts, at most.
MOST = 1_000

#: States of pending tasks, by what they wait for.
PENDING_STATES = {"worker": "waiting", "time": "delayed", "retry": "retrying", "limit": "limited"}


def tabs(shown: Search | None, address: Callable[[str], str]) -> list[dict[str, Any]]:
    """Return the tabs, those of all tasks first.

    Parameters:
      shown: Search of the list. None: it is wrong.
      address: Returns the address of a line.
    """
    chosen = shown.values("state") if shown else []

    def line(*states: str) -> str:
        return shown.replacing("state", *states) if shown else " ".join(f"state:{state}" for state in states)

    numbers = counts()
    everything = {"title": gettext_lazy("All"), "href": address(line()), "is_chosen": not chosen}
    return [everything] + [
        {
            "title": state.title,
            "meaning": state.meaning,
            "href": address(line(state.name)),
            "is_chosen": chosen == [state.name],
            "count": numbers[state.name],
        }
        for state in TABS
    ]


def counts() -> dict[str, str]:
    """Return the number of tasks in each state. Indexes count them, up to a limit."""
    found = {state.name: 0 for state in TABS}
    waits = pending.count(limit=search.NEWEST + 1)
    is_whole = sum(one.number for one in waits) <= search.NEWEST
    for one in waits if is_whole else ():
        kind = waiting.kind_of(in_line=one.in_line, delayed=one.delayed, has_retried=one.has_retried)
        found[PENDING_STATES[kind.name]] += one.number
    others = [state.name for state in TABS if not is_whole or state.name not in PENDING_STATES.values()]
    return {name: _shown(number) for name, number in found.items()} | {name: count(name) for name in others}


def count(state: str) -> str:
    """Return the number of tasks in a state, among the rows in which a search for it looks."""
    found = search.parse(f"state:{state}").find(TaskStatus.objects.all())
    number = found.rows.order_by()[: MOST + 1].count()
    return _shown(number, is_more=number > 0 and found.is_limited)


def _shown(number: int, *, is_more: bool = False) -> str:
    text = elements.number(min(number, MOST))
    return gettext("%(count)s+") % {"count": text} if is_more or number > MOST else text
