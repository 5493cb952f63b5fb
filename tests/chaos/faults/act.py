"""One thing that the storm can do to the world."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.chaos.world import World


@dataclass(frozen=True, kw_only=True)
class Act:
    """A disturbance.

    Parameters:
      fault: Name of the fault that it belongs to.
      weight: Its share among all.
      do: Does it and notes it in the world, or does nothing if it cannot be done now.
      databases: Databases for which it makes sense.
    """

    fault: str
    weight: float
    do: "Callable[[World], object]"
    databases: tuple[str, ...] = ("sqlite", "postgresql")
