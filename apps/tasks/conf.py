"""Settings of the task system, each with its default and meaning.

Values are read at first use, so Django's settings need not name any of them. `override_settings` works, but for what is
read once a process: TASK_FAST_PATH and TASK_TIME_LIMIT_MS by the broker, the heartbeat's timeout by the worker.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar, overload

from django.conf import settings
from django.core.signals import setting_changed

from apps.tasks import log_level, networks, queues, secret_names
from apps.tasks.alerts import addresses

T = TypeVar("T")

#: Most days of a setting: dates have a beginning.
MOST_DAYS = 3_650


class Setting(Generic[T]):
    """A setting of Django's, or its default.

    Parameters:
      help: Meaning and unit, as the documentation shows them.
      read: Returns what a setting of Django's means, or raises an error that says what is right.
    """

    def __init__(self, default: T, *, help: str, read: Callable[[Any], T] | None = None) -> None:
        self.default = default
        self.help = help
        self.read = read
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def forget(self) -> None:
        """Read the value anew when it is used next."""
        self.__dict__.pop("value", None)

    @overload
    def __get__(self, instance: None, owner: type) -> "Setting[T]": ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> "Setting[T] | T":
        if instance is None:
            return self
        try:
            return self.value
        except AttributeError:
            found = getattr(settings, self.name, self.default)
            self.value: T = found if self.read is None else self.read(found)
            return self.value


class Conf:
    """The settings. Read them as `conf.TASK_MAX_CRASHES`."""

    TASK_MAX_ARGUMENT_BYTES = Setting(
        1_000_000, help="Largest size of a message's arguments, in bytes of JSON. A larger send is refused."
    )
    TASK_MAX_CRASHES = Setting(3, help="Worker crashes tolerated before a task is failed as poison.")
    TASK_QUEUES: Setting[dict[str, queues.Queue]] = Setting(
        {},
        help="Queues that actors may name, each with `description`, `max_waiting` and `weight`. None of them: actors "
        "may name any queue.",
        read=queues.declared,
    )
    TASK_KEEP_COMPLETED_DAYS = Setting(7, help="Days that completed tasks are kept. 0: for ever.")
    TASK_KEEP_CANCELLED_DAYS = Setting(30, help="Days that cancelled tasks are kept. 0: for ever.")
    TASK_KEEP_FAILED_DAYS = Setting(90, help="Days that failed tasks are kept. 0: for ever.")
    TASK_RESULT_EXPIRES_DAYS = Setting(0, help="Days that the results of completed tasks are kept. 0: as their tasks.")
    TASK_KEEP_ALERTS_DAYS = Setting(90, help="Days that ended alerts are kept. 0: for ever.")
    TASK_ALERT_EMAILS: Setting[tuple[str, ...]] = Setting(
        (),
        help="Addresses that alerts are mailed to, unless their rule names others. None of them: those of `ADMINS`.",
        read=addresses.of_setting,
    )
    TASK_ALERT_WEBHOOK = Setting("", help="Address that alerts are posted to, unless their rule names another one.")
    TASK_ALERT_SECRET = Setting("", help="Secret that signs what is posted to webhooks. Empty: it is not signed.")
    TASK_ALERT_NETWORKS: Setting[tuple[networks.Network, ...]] = Setting(
        (),
        help="Networks inside to which webhooks may lead, also without TLS. All other addresses inside are refused.",
        read=lambda value: networks.parsed(value, name="TASK_ALERT_NETWORKS"),
    )
    TASK_ALERT_ORIGIN = Setting("", help="Origin of links in alerts, such as https://example.com. Empty: no links.")
    TASK_KEEP_AUDIT_DAYS = Setting(365, help="Days that notes of who did what are kept. 0: for ever.")
    TASK_TIME_LIMIT_MS = Setting(
        30 * 60 * 1000, help="Milliseconds that a task may run unless its actor sets `time_limit`."
    )
    TASK_EVENT_STREAMS = Setting(
        50, help="Event streams that a user may have open at once in one web process. 0: no limit."
    )
    TASK_MASKED_NAMES: Setting[tuple[str, ...]] = Setting(
        secret_names.DEFAULT,
        help="Names of arguments, and of keys in arguments and results, whose values are not shown: also as a word of "
        "a longer name.",
        read=secret_names.parsed,
    )
    TASK_LOG_LINES = Setting(
        1_000, help="Log lines that are kept of each attempt, the newest, and 256 kB of them at most. 0: none."
    )
    TASK_LOG_LEVEL = Setting("INFO", help="Least level of the log lines that are kept of tasks.", read=log_level.parsed)
    TASK_EAGER = Setting(
        False, help="For tests: whether a task runs in the thread that sends it, after its transaction has committed."
    )
    TASK_FAST_PATH = Setting(
        True,
        help="Whether hot statements go straight to libpq, and packed messages to Redis's socket. If not, they go "
        "through Django's cursors and redis-py: slower, and visible to tools that patch those.",
    )
    DATABASE_PREPARED_STATEMENTS = Setting(
        True, help="Whether PostgreSQL plans a single insert and a single claim once per connection."
    )
    WORKER_PROCESSES = Setting(2, help="Worker processes that `runworker` starts.")
    WORKER_THREADS = Setting(8, help="Threads of a worker process: tasks that run at once.")
    WORKER_ASYNC_TASKS = Setting(
        200,
        help="Tasks of async actors that run at once on the event loop of a worker process. 0: each takes a thread.",
    )
    WORKER_ISOLATED = Setting(
        0, help="Isolated tasks that run at once in a worker process. A thread waits for its place. 0: no limit."
    )
    WORKER_DRAIN_SECONDS = Setting(25, help="Seconds that running tasks may go on after SIGTERM.")
    WORKER_MAX_TASKS = Setting(
        0, help="Tasks after which a worker process is replaced, or up to a tenth more. 0: no limit."
    )
    WORKER_MAX_MEMORY_MB = Setting(
        0, help="Resident memory in MB above which a worker process is replaced. 0: no limit."
    )
    WORKER_STALL_SECONDS = Setting(
        60, help="Seconds for which due tasks may wait while a worker process takes none, before it counts as stalled."
    )
    WORKER_HEARTBEAT_TIMEOUT_SECONDS = Setting(10, help="Seconds a worker may stay silent before it is declared dead.")
    CODE_VERSION = Setting(
        "",
        help="Version of the code, such as a commit or a tag. Empty: what the platform says, or the commit of the git "
        "checkout.",
    )
    HEALTH_TOKEN = Setting(
        "",
        help="Token that a request for the details of `/readyz` sends as `Authorization: Bearer ...`. Without one, "
        "requests from this machine get them.",
    )
    METRICS_TOKEN = Setting(
        "",
        help="Token that a request for `/metrics` or `/scale` sends as `Authorization: Bearer ...`. Empty: none does.",
    )
    METRICS_NETWORKS: Setting[tuple[networks.Network, ...]] = Setting(
        (),
        help="Networks whose addresses get `/metrics` and `/scale` without a token. Without both settings they are "
        "closed.",
        read=lambda value: networks.parsed(value, name="METRICS_NETWORKS"),
    )
    SCALE_WAIT_SECONDS = Setting(
        30, help="Seconds within which waiting tasks are to start on the worker processes that `/scale` wants."
    )
    SCHEDULE_HISTORY_DAYS = Setting(90, help="Days that the slots of schedules are kept.")
    SCHEDULE_HISTORY_COUNT = Setting(200, help="Slots that are kept of each schedule.")
    SCHEDULER_CLOCK_SPEED = Setting(1, help="For tests: seconds that pass for the schedules in one second.")
    SCHEDULER_CLOCK_START = Setting(
        datetime(2026, 1, 1, tzinfo=UTC), help="For tests: the time at which a faster clock started."
    )


conf = Conf()

#: All settings by name.
SETTINGS: dict[str, "Setting[Any]"] = {name: value for name, value in vars(Conf).items() if isinstance(value, Setting)}


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting in SETTINGS:
        SETTINGS[setting].forget()


setting_changed.connect(_forget, dispatch_uid="apps.tasks.conf")
