"""Searches for tasks: one line of words, used by the list of tasks, by the terminal and by actions on all that match.

search.parse("state:failed actor:process_document error:MailRefusedError").rows(TaskStatus.objects.all())
"""

from apps.tasks.search.errors import SearchError
from apps.tasks.search.line import Term, line, quoted, terms
from apps.tasks.search.search import NEWEST, Search, parse
from apps.tasks.search.states import STATES, State
from apps.tasks.search.words import WORDS, Word

__all__ = [
    "NEWEST",
    "STATES",
    "WORDS",
    "Search",
    "SearchError",
    "State",
    "Term",
    "Word",
    "line",
    "parse",
    "quoted",
    "terms",
]
