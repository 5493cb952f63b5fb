"""Addresses of the list. Each view of it has one: `?q=` has the words of the search.

Words are parameters as well, as forms and links write them: `?state=failed&queue=slow` is `?q=state:failed queue:slow`.
"""

from collections.abc import Iterator

from django.contrib.admin.options import IS_POPUP_VAR, TO_FIELD_VAR
from django.contrib.admin.views.main import ERROR_FLAG, ORDER_VAR, PAGE_VAR, SEARCH_VAR
from django.http import QueryDict

from apps.tasks import search
from apps.tasks.admin.task_list.tabs import PENDING_STATES

#: Parameters of the list that are no words.
OTHERS = (ORDER_VAR, PAGE_VAR, ERROR_FLAG, IS_POPUP_VAR, TO_FIELD_VAR)
#: Parameters that choose the view and filter nothing.
IGNORED = ("_facets", "all", "_changelist_filters")

_SPANS = {"hour": "1h", "day": "24h", "week": "7d", "month": "30d"}
#: Names that parameters have in links, with the word and its values.
NAMES: dict[str, tuple[str, dict[str, str]]] = {
    "status__exact": ("state", {"processing": "running", "completed": "done"}),
    "waits": ("state", PENDING_STATES),
    "task": ("actor", {}),
    "task_name__exact": ("actor", {}),
    "queue_name__exact": ("queue", {}),
    "created": ("sent", _SPANS),
    "ended": ("finished", _SPANS),
    "worker_id__exact": ("worker", {}),
}
RELATED_TYPE, RELATED_ID, IN_LINE = "related_object_type", "related_object_id", "in_line__exact"


def read(query: QueryDict) -> QueryDict:
    """Return the parameters with all words in the line of the search. A word that is a parameter replaces those in it.

    Nothing else filters the list: a look-up of a column would read the whole table, or tell hidden arguments.
    """
    line = query.get(SEARCH_VAR, "")
    found = QueryDict(mutable=True)
    for name in OTHERS:
        if name in query:
            found[name] = query.get(name, "")
    given = list(_words(query))
    if given:
        line = _merged(line, given)
    if line.strip():
        found[SEARCH_VAR] = line
    return found


def _words(query: QueryDict) -> Iterator[tuple[str, list[str]]]:
    """Yield the words among the parameters, with their values."""
    if RELATED_TYPE in query or RELATED_ID in query:
        yield "about", [f"{query.get(RELATED_TYPE, '')}/{query.get(RELATED_ID, '')}"]
    for name in query:
        if name in (SEARCH_VAR, RELATED_TYPE, RELATED_ID, *OTHERS, *IGNORED):
            continue
        values = [value for value in query.getlist(name) if value.strip()]
        if name == IN_LINE:
            yield "state", ["limited"] if values == ["1"] else []
        elif name in NAMES:
            word, names = NAMES[name]
            yield word, [names.get(value, value) for value in values]
        else:
            yield name, values


def _merged(line: str, given: list[tuple[str, list[str]]]) -> str:
    replaced = {word for word, _values in given}
    added = [f"{word}:{search.quoted(value)}" for word, values in dict(given).items() for value in values]
    try:
        kept = [str(term) for term in search.terms(line) if term.word not in replaced]
    except search.SearchError:
        kept = [line]  # The list says what is wrong with it.
    return " ".join([*added, *kept])
