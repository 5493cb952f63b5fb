"""The value that tells why."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from apps.tasks.one_line import OneLined


class Page(NamedTuple):
    """A page of the admin that helps.

    Parameters:
      kind: `actor`, `limit`, `processes`, `queue` (its waiting tasks), `queues`, `schedule`, `tasks` or `worker`.
      key: Primary key or name of the row that it is about. None: the page of all.
    """

    kind: str
    key: Any = None


@dataclass(frozen=True, kw_only=True)
class Reason(OneLined):
    """Why a task waits, runs or has ended. Its texts may name things of others, which cannot turn or break them.

    Parameters:
      kind: Word for programs, such as `retry` or `no_worker`.
      text: One sentence for operators.
      remedy: A sentence that says what helps. Empty: nothing has to be done.
      owner_text: One sentence for the owner of the task, without names of servers, queues and commands.
      page: Page on which an operator can see or change it.
      is_trouble: Whether the task goes on only if something is done.
    """

    ONE_LINE = ("text", "remedy", "owner_text")

    kind: str
    text: str
    remedy: str = ""
    owner_text: str = ""
    page: Page | None = None
    is_trouble: bool = False

    def __str__(self) -> str:
        return f"{self.text} {self.remedy}".rstrip()
