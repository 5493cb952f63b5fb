"""Give limited tasks their places.

A task with a line stands in it until there is a place, and no worker gets its message before. The places are counted
from the rows, so that nothing is lost with Redis, a worker or a relay. The row of the limit is locked meanwhile.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max, Min, Q, QuerySet, Sum

from apps.tasks.clock import ClockTimestamp
from apps.tasks.ledger.relay import Waiting
from apps.tasks.limits.rate import LONGEST_MS, Rate
from apps.tasks.models import Limit, LimitedStart, TaskStatus
from apps.tasks.statements.lines import Head, heads, lines_of

#: Tasks that are admitted in one transaction, at most.
PAGE = 500
#: Lines that are looked at in one transaction.
LINES = 200
#: Of that many tasks, the last is the one that was sent first, whatever its priority. So none waits for ever.
TURN_OF_THE_OLDEST = 10
#: Part of the threads that lines which hold as many already leave to the others.
LEFT_TO_OTHERS = 4
#: Places of an actor without a limit of its own.
UNLIMITED = 1_000_000
#: Milliseconds that the tasks of an actor wait for code that has its limit.
UNKNOWN_MS = 60_000
MILLISECOND = timedelta(milliseconds=1)


@dataclass(kw_only=True)
class Admission:
    """The outcome of one look at the lines of an actor.

    Parameters:
      rows: Tasks that have their places now. The caller publishes them after the commit.
      again_ms: Milliseconds until a rate has a place again, by line.
      last_line: Last line that was looked at. None: there are no further ones.
      is_locked: Another transaction has locked the limit, and nothing was admitted.
      lacks_limit: The code has a limit that has no row yet, and nothing was admitted.
    """

    rows: list[Waiting] = field(default_factory=list)
    again_ms: dict[str, float] = field(default_factory=dict)
    last_line: str | None = None
    is_locked: bool = False
    lacks_limit: bool = False

    @property
    def is_full(self) -> bool:
        """Whether no more could be admitted in one transaction. The same lines may have more."""
        return len(self.rows) >= PAGE


@dataclass(kw_only=True)
class Room:
    """Places that a line, or all lines of an actor together, have now.

    Parameters:
      places: Sum of weights that can be admitted.
      is_empty: None of its tasks counts just now. A task that weighs more than the whole limit is then admitted alone.
      again_ms: Milliseconds until the rate has a place again.
    """

    places: int
    is_empty: bool = True
    again_ms: float | None = None
    #: The next task weighs more than what is free. Lighter ones do not pass it.
    is_blocked: bool = False

    def is_open(self) -> bool:
        """Return whether a further task may have a place."""
        return self.places > 0 and not self.is_blocked

    def takes(self, weight: int) -> bool:
        """Return whether a task of that weight is admitted, and count it."""
        self.is_blocked = weight > self.places and not (self.is_empty and self.places > 0)
        if self.is_blocked:
            return False
        self.places -= weight
        self.is_empty = False
        return True


def admit(
    task_name: str,
    lines: Collection[str] | None = None,
    *,
    after: str | None = None,
    threads: int,
    counts: Counter[str] | None = None,
    is_limited: bool = False,
    is_known: bool = True,
) -> Admission:
    """Give the places that are free now.

    Parameters:
      lines: Lines to look at. None: all that wait, a page of them from `after` on. Lines that take turns are looked at
        together.
      threads: Threads of all living workers. An actor whose lines take turns has few more tasks handed out, since a
        task that is handed out has had its turn.
      counts: Number of tasks that the caller has admitted before, by line. It is counted up here, and says when the
        oldest has its turn.
      is_limited: Whether the caller's code limits the actor.
      is_known: Whether the caller's code has the actor. One without a limit in the code or in a row is then unlimited.
        The tasks of an unknown one wait a while for newer code that has its limit.
    """
    counts = Counter() if counts is None else counts
    with transaction.atomic():
        rows = Limit.objects.filter(task_name=task_name)
        # Whoever has it locked must not hold up the other actors.
        limit = rows.select_for_update(no_key=True, skip_locked=True).first()
        admission = Admission()
        if limit is None and rows.exists():
            admission.is_locked = True
            return admission
        if limit is None and is_limited:
            admission.lacks_limit = True
            return admission
        if limit is not None and limit.is_fair:
            _admit_in_turns(limit, admission, threads, counts)
            return admission
        if lines is None:
            lines = lines_of(task_name, after=after, limit=LINES)
            admission.last_line = lines[-1] if len(lines) == LINES else None
        rooms = _rooms(task_name, limit, sorted(lines)) if lines else {}
        waited_ms = UNKNOWN_MS if limit is None and not is_known else 0
        admission.rows += _take(task_name, rooms, counts, most=PAGE, waited_ms=waited_ms)
        for line, room in rooms.items():
            # Where there is still room, no task waits any more.
            if room.again_ms is not None and not room.is_open():
                admission.again_ms[line] = room.again_ms
        _give(admission.rows)
    return admission


def _admit_in_turns(limit: Limit, admission: Admission, threads: int, counts: Counter[str]) -> None:
    """Admit one task of each line after the last one that had its turn, again and again while there is room."""
    room = _rooms(limit.task_name, limit, None)[""]
    most = threads + max(threads // 4, 2)
    rows = TaskStatus.objects.with_place().filter(task_name=limit.task_name).order_by()
    handed_out = Counter(str(line) for line in rows.values_list("line", flat=True)[:most])
    after: str | None = limit.last_line
    is_round_empty = False
    while (count := min(most - handed_out.total(), PAGE - len(admission.rows))) > 0 and room.is_open():
        asked = min(count, LINES)
        lines = lines_of(limit.task_name, after=after, limit=asked)
        found = _take(
            limit.task_name,
            dict.fromkeys(_with_turn(lines, handed_out, threads=threads), room),
            counts,
            most=count,
            most_of_a_line=1,
            but=admission.rows,
        )
        admission.rows += found
        handed_out.update(row.line or "" for row in found)
        after = lines[-1] if lines else after
        if len(lines) < asked:
            if is_round_empty and not found:
                break
            after, is_round_empty = None, True
        is_round_empty = is_round_empty and not found
    if room.again_ms is not None and not room.is_open():
        admission.again_ms[""] = room.again_ms
    if admission.rows:
        Limit.objects.filter(pk=limit.pk).update(last_line=admission.rows[-1].line or "")
    _give(admission.rows)


def _with_turn(lines: Sequence[str], handed_out: Counter[str], *, threads: int) -> list[str]:
    """Return the lines of which one more task is handed out.

    Long tasks of one line would take all threads before another line has a task. So the last threads are for lines that
    hold few.
    """
    few = threads // LEFT_TO_OTHERS
    found: list[str] = []
    for line in lines:
        if few == 0 or handed_out[line] < few or handed_out.total() + len(found) < threads - few:
            found.append(line)
    return found


def _give(rows: list[Waiting]) -> None:
    if rows:
        TaskStatus.objects.filter(pk__in=[row.pk for row in rows]).update(in_line=False)


def _take(
    task_name: str,
    rooms: Mapping[str, Room],
    counts: Counter[str],
    *,
    most: int,
    most_of_a_line: int = PAGE,
    but: Sequence[Waiting] = (),
    waited_ms: float = 0,
) -> list[Waiting]:
    """Return the tasks that are admitted: of each line the most urgent ones, and now and then the oldest.

    Parameters:
      rooms: Room by line. Lines that take turns share one.
      counts: Number of tasks that were admitted before, by line.
      but: Tasks that were taken already.
      waited_ms: Milliseconds that a task must have waited.
    """
    found: list[Waiting] = []
    lines = list(rooms)
    while lines and len(found) < most:
        # The rows of these places are locked, so there are no more of them than can be admitted.
        places: dict[str, int] = {}
        left = most - len(found)
        while lines and left > 0:
            line = lines.pop(0)
            count = min(rooms[line].places, most_of_a_line, left) if rooms[line].is_open() else 0
            if count > 0:
                places[line] = count
                left -= count
        waiting = _heads(task_name, places, counts, but=[row.pk for row in (*but, *found)], waited_ms=waited_ms)
        for line, count in places.items():
            for head in waiting[line][:count]:
                # Lines that take turns share their room.
                if not rooms[line].is_open() or not rooms[line].takes(head.weight):
                    break
                counts[line] += 1
                found.append(Waiting(head.pk, head.task_id, head.attempt, head.queue_name, task_name, line))
    return found


def _heads(
    task_name: str, places: Mapping[str, int], counts: Counter[str], *, but: Sequence[int], waited_ms: float
) -> dict[str, list[Head]]:
    """Return the tasks that have their turn, by line, in their order.

    The oldest comes first. If it is too heavy, it keeps its turn, and the others wait.
    """
    turns = {
        line: turn
        for line, count in places.items()
        if (turn := (counts[line] + count) // TURN_OF_THE_OLDEST - counts[line] // TURN_OF_THE_OLDEST)
    }
    oldest = heads(task_name, turns, by_age=True, but=but, waited_ms=waited_ms) if turns else {}
    urgent = heads(task_name, places, by_age=False, but=but, waited_ms=waited_ms) if places else {}
    # The same task may be both.
    return {line: list(dict.fromkeys([*oldest.get(line, ()), *urgent.get(line, ())])) for line in places}


def _rooms(task_name: str, limit: Limit | None, lines: Collection[str] | None) -> dict[str, Room]:
    """Return the room of each line, or that of all lines together under an empty key.

    Parameters:
      lines: None: together.
    """
    keys = [""] if lines is None else lines
    if limit is None or (limit.concurrency is None and not limit.rate_limit):
        return {line: Room(places=UNLIMITED) for line in keys}
    rows = TaskStatus.objects.filter(task_name=task_name)
    starts: QuerySet[Any] = LimitedStart.objects.filter(task_name=task_name)
    if lines is not None:
        rows, starts = rows.filter(line__in=lines), starts.filter(line__in=lines)
    unstarted = Sum("weight", filter=Q(started_at=None), default=0)
    held = _by_line(rows.with_place(), lines, places=Sum("weight"), unstarted=unstarted)
    rooms = {}
    for line in keys:
        weight, _ = held.get(line, (0, 0))
        free = UNLIMITED if limit.concurrency is None else limit.concurrency - weight
        rooms[line] = Room(places=free, is_empty=not weight)
    if limit.rate_limit:
        rate = Rate.of(limit.rate_limit)
        windows = [_window(found, rate, lines) for found in (rows.filter(line__isnull=False), starts)]
        for line, room in rooms.items():
            _, waiting = held.get(line, (0, 0))
            _narrow(room, rate, [found[line] for found in windows if line in found], unstarted=waiting)
    return rooms


def _narrow(room: Room, rate: Rate, windows: list[tuple[Any, ...]], *, unstarted: int) -> None:
    """Take the places off that the rate does not allow.

    Parameters:
      windows: Sum of weights, first start and time of the statement, of the starts within the stretch that ends now.
      unstarted: Sum of weights of the tasks that have a place and have not started.
    """
    started = sum(weight for weight, _, _ in windows)
    room.places = min(room.places, rate.tasks - started - unstarted)
    room.is_empty = room.is_empty and not started
    if windows:
        age = max(now - first for _, first, now in windows)
        room.again_ms = max(rate.window_ms - age / MILLISECOND, 0)


def _window(rows: Any, rate: Rate, lines: Collection[str] | None) -> dict[str, tuple[Any, ...]]:
    rows = rows.filter(started_at__gt=ClockTimestamp(offset_ms=-rate.window_ms, once=True))
    # The time is an aggregate, too: any other expression would split the groups.
    return _by_line(rows, lines, places=Sum("weight"), first=Min("started_at"), now=Max(ClockTimestamp()))


def _by_line(rows: Any, lines: Collection[str] | None, **values: Any) -> dict[str, tuple[Any, ...]]:
    if lines is not None:
        return {line: tuple(found) for line, *found in rows.order_by().values_list("line").annotate(**values)}
    found = tuple(rows.order_by().aggregate(**values).values())
    return {"": found} if found[0] is not None else {}


# --- The starts of tasks that are pending again ---


def keep_starts(rows: Any) -> None:
    """Keep the starts of limited tasks, given as a queryset, whose rows are about to forget them."""
    found = rows.filter(line__isnull=False, started_at__isnull=False).order_by()
    add_starts(found.values_list("task_name", "line", "weight", "started_at"))


def add_starts(starts: Iterable[tuple[str, str, int, Any]]) -> None:
    """Record starts, each as actor, line, weight and time."""
    new = [
        LimitedStart(task_name=task_name, line=line, weight=weight, started_at=started_at)
        for task_name, line, weight, started_at in starts
    ]
    if new:
        LimitedStart.objects.bulk_create(new)


def forget_starts() -> int:
    """Delete the starts that no rate counts any more. Return their number."""
    before = ClockTimestamp(offset_ms=-2 * LONGEST_MS)
    return int(LimitedStart.objects.filter(started_at__lt=before).delete()[0])
