"""The diagrams of docs/architecture.md are those of the code."""

import inspect
import pkgutil
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any, get_type_hints

import grimp
import pytest
from dramatiq import Worker

import apps.tasks
import workers
from aiWriting.environment import BASE_DIR
from apps.tasks import ledger, presence
from apps.tasks.models import TaskStatus
from tests.acting import tasks
from tests.docs.calls import Call, Calls, kind_of
from tests.docs.mermaid import Edge, Flowchart, Message, Sequence, flowchart, sequence
from tests.docs.names import find
from tests.docs.pages import DOCS, blocks, code_words, rows
from workers.broker import LedgerBroker
from workers.process import identity, reconciler
from workers.process.runtime import Runtime
from workers.relay import Relay
from workers.wire import scripts

PAGE = DOCS / "architecture.md"
PACKAGES, ROOMS, SEND, WAY, WATCH, RESCUE = blocks(PAGE, "mermaid")

Pairs = set[tuple[str, str]]


# --- Rooms ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    sys.path.insert(0, str(BASE_DIR))
    try:
        return grimp.build_graph("aiWriting", "workers", "apps", exclude_type_checking_imports=False, cache_dir=None)
    finally:
        sys.path.remove(str(BASE_DIR))


def imports(graph: grimp.ImportGraph, room_of: Callable[[str], str | None]) -> Pairs:
    """Return the imports between rooms, without those that a longer path implies."""
    pairs = {
        (importer, imported)
        for module in graph.modules
        for other in graph.find_modules_directly_imported_by(module)
        if (importer := room_of(module)) and (imported := room_of(other)) and importer != imported
    }
    return {pair for pair in pairs if not _is_implied(pair, pairs)}


def _is_implied(pair: tuple[str, str], pairs: Pairs) -> bool:
    reached, waiting = set[str](), [pair[0]]
    while waiting:
        room = waiting.pop()
        found = {imported for importer, imported in pairs if importer == room} - reached
        if room == pair[0]:
            found.discard(pair[1])
        reached |= found
        waiting += found
    return pair[1] in reached


def package_of(module: str) -> str | None:
    first, _, rest = module.partition(".")
    if first != "apps":
        return first
    return f"apps.{rest.split('.')[0]}" if rest else None


def room_of_workers(module: str) -> str | None:
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "workers" and len(parts) > 1 else None


def drawn(chart: Flowchart) -> Pairs:
    """Return the arrows of a flowchart, by the first lines of the nodes' labels."""
    return {(chart.nodes[edge.source][0], chart.nodes[edge.target][0]) for edge in chart.edges}


@pytest.mark.parametrize(("text", "room_of"), [(PACKAGES, package_of), (ROOMS, room_of_workers)])
def test_the_arrows_between_rooms_are_the_imports(
    text: str, room_of: Callable[[str], str | None], graph: grimp.ImportGraph
) -> None:
    assert drawn(flowchart(text)) == imports(graph, room_of)


def test_every_room_is_drawn(graph: grimp.ImportGraph) -> None:
    packages = {package_of(module) for module in graph.modules} - {None}
    assert {lines[0] for lines in flowchart(PACKAGES).nodes.values()} == packages
    rooms = {f"workers.{info.name}" for info in pkgutil.iter_modules(workers.__path__)}
    assert {lines[0] for lines in flowchart(ROOMS).nodes.values()} == rooms


def test_every_module_of_the_tasks_is_described() -> None:
    modules = {f"apps.tasks.{info.name}" for info in pkgutil.iter_modules(apps.tasks.__path__)}
    described = {row[0].strip("`") for row in rows(PAGE, header="`apps.tasks`")}
    assert described == modules - {"apps.tasks.apps", "apps.tasks.migrations"}


def test_an_arrow_that_a_longer_path_implies_is_left_out() -> None:
    graph = grimp.ImportGraph()
    for importer, imported in (("a", "b"), ("b", "c"), ("a", "c")):
        graph.add_import(importer=importer, imported=imported)
    assert imports(graph, lambda module: module) == {("a", "b"), ("b", "c")}


def test_the_parts_are_built_as_described() -> None:
    described = {row[0].strip("`"): row[1].replace("`", "") for row in rows(PAGE, header="part")}
    parts = {name: find(name) for name in (*described, "Worker", "WireQueue")}
    for name, others in described.items():
        hints = list(get_type_hints(parts[name].__init__).values())
        assert ", ".join(sorted(other for other, part in parts.items() if part in hints)) == ", ".join(
            sorted(filter(None, others.split(", ")))
        )


# --- Threads -------------------------------------------------------------------------------------


@pytest.fixture
def seen(
    broker: LedgerBroker,
    transactional_db: None,
    booted: None,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    wait_until: Callable[..., Any],
) -> list[Call]:
    """The calls of a worker process, here in the test's own, from its start to its end."""
    settings.WORKER_HEARTBEAT_TIMEOUT_SECONDS = 4
    monkeypatch.setattr(reconciler, "RECONCILE_SECONDS", 0.1)
    with Calls() as calls:

        def wait_for(*names: str) -> None:
            wait_until(lambda: set(names) <= {call.name for call in list(calls.seen)}, explain=lambda: str(names))

        worker = Worker(broker, queues={"default", "slow"}, worker_threads=2, worker_timeout=50)
        worker.start()
        runtime = broker.runtime
        assert runtime is not None
        _forget(runtime)
        for _ in range(100):
            runtime.holdings.prefetch.ran(0.001)  # Short tasks: a batch holds all that wait.
        wait_for("WireQueue.wait_and_fetch")
        long = [tasks.slow_effect.message(f"long {seconds}", seconds) for seconds in (0.5, 60)]
        short = [tasks.slow_effect.message(f"short {number}", 0) for number in range(8)]
        broker.send_many([*long, *short, tasks.hello.message("you")])
        wait_for("WireQueue.requeue_as")
        ledger.cancel(long[1].message_id)
        slow = TaskStatus.objects.unfinished().exclude(queue_name="poison")
        wait_until(lambda: not slow.exists())
        wait_for("report", "beat", "WireQueue.ack", "release_one", "Holdings.requeue_early", "Holdings.cancel")
        wait_until(lambda: not runtime.holdings.has_early)
        presence.stop(runtime.worker_id)  # As a relay does that takes it for dead.
        wait_until(runtime.refused.is_set)
        worker.stop(timeout=5_000)
        broker.middleware.pop()  # Dramatiq adds one with each worker.
    return calls.seen


def _forget(runtime: Runtime) -> None:
    """Leave a row, two messages in Redis and an early message that no thread of the process knows how to run."""
    forgotten = [tasks.innocent.send("claimed"), tasks.innocent.send("fetched")]
    runtime.wire.fetch("poison", runtime.holdings.broker_id, limit=2)
    ledger.claim([(forgotten[0].message_id, 0)], claim_id=uuid.uuid4(), worker_id=runtime.worker_id)
    runtime.holdings.keep_early("default", "early")


def threads_chart() -> Flowchart:
    """Return the two flowcharts of threads as one."""
    way, watch = flowchart(WAY), flowchart(WATCH)
    return Flowchart(way.nodes | watch.nodes, way.edges + watch.edges)


def functions(edge: Edge) -> list[str]:
    """Return the names of functions in an arrow's label, without the numbers of the steps."""
    return [line.lstrip("0123456789 ") for line in edge.labels]


def thread_of(chart: Flowchart, edge: Edge, threads: Iterable[str]) -> str:
    """Return the thread at an end of an arrow, the one at its start if both are threads."""
    ends = [chart.nodes[edge.source][0], chart.nodes[edge.target][0]]
    return next(end for end in ends if end in threads)


def asks(call: Call) -> str:
    """Return what a call of a part asks the ledger or Redis for, as the diagram names it. Empty: something else."""
    if not (call.callers and call.callers[0].startswith("workers.process")) or call.name.rpartition(".")[2][0] == "_":
        return ""
    if call.module == "apps.tasks.presence":
        return f"presence.{call.name}"
    if call.module.startswith("apps.tasks.ledger"):
        return f"ledger.{call.name}"
    return call.name if call.module == "workers.wire.queue" and call.name.startswith("WireQueue.") else ""


def test_the_arrows_between_threads_are_calls_in_them(seen: list[Call]) -> None:
    chart = threads_chart()
    threads = {row[0].strip("`") for row in rows(PAGE, header="thread")}
    made = {(call.thread, call.code) for call in seen}
    not_made, named = [], set()
    for edge in chart.edges:
        thread = thread_of(chart, edge, threads)
        assert functions(edge), edge
        for name in functions(edge):
            named.add((thread, name))
            if (thread, find(name).__code__) not in made:
                not_made.append((thread, name))
    assert not_made == []
    assert {(call.thread, asks(call)) for call in seen if asks(call)} - named == set(), "calls that are not drawn"


def test_the_threads_are_those_of_a_process(broker: LedgerBroker, transactional_db: None, booted: None) -> None:
    before = set(threading.enumerate())
    worker = Worker(broker, worker_threads=1, worker_timeout=50)
    worker.start()
    started = {kind_of(thread) for thread in set(threading.enumerate()) - before}
    worker.stop(timeout=5_000)
    broker.middleware.pop()
    assert {row[0].strip("`") for row in rows(PAGE, header="thread")} == started | {"MainThread"}
    chart = threads_chart()
    drawn_threads = {lines[0] for lines in chart.nodes.values()} & started
    assert drawn_threads == started - {"EventLoopThread"}
    for name in ("Worker.work_queue", "Writer._inbox"):
        assert [name] in chart.nodes.values()
        assert find(name)


# --- Sequences -----------------------------------------------------------------------------------


def missing(diagram: Sequence, seen: list[Call]) -> list[str]:
    """Return the messages of a diagram that were not seen, or not in its order."""
    calls = iter(seen)
    return [
        f"{message.source}->>{message.target}: {message.text}"
        for message in diagram.messages
        if not _is_script(diagram, message) and not any(_is(call, message, diagram) for call in calls)
    ]


def _is(call: Call, message: Message, diagram: Sequence) -> bool:
    """Return whether a call is a message: its function, from the nearest participant among the callers."""
    modules = [name for name in diagram.participants.values() if "." in name]

    def participant(module: str) -> str | None:
        found = [name for name in modules if f"{module}.".startswith(f"{name}.")]
        return max(found, key=len, default=None)

    target = diagram.participants.get(message.target, message.target)
    if (call.module if target == "database" else participant(call.module)) != target:
        return False
    name = call.name.replace(".<locals>", "")
    if name != message.name and not name.endswith(f".{message.name}"):
        return False
    source = next((found for caller in call.callers if (found := participant(caller))), None)
    wanted = diagram.participants[message.source]
    return source == (wanted if wanted in modules else None)


def _is_script(diagram: Sequence, message: Message) -> bool:
    """Return whether a message is a script that the source runs inside Redis."""
    if diagram.participants[message.target] != "Redis":
        return False
    package = find(diagram.participants[message.source])
    names = [info.name for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")]
    sources = [inspect.getsource(find(name)) for name in names if name != scripts.__name__]
    assert isinstance(getattr(scripts, message.name), str)
    assert any(message.name in source for source in sources)
    return True


@pytest.mark.django_db(transaction=True)
def test_a_send_goes_as_it_is_drawn(broker: LedgerBroker, django_user_model: Any) -> None:
    from apps.documents.tasks import process_project
    from apps.projects.models import Project

    owner = django_user_model.objects.create_user("writer")
    project = Project.objects.create(owner=owner, name="p")
    (code,) = blocks(PAGE, "python")
    here: dict[str, Any] = {"project": project, "process_project": process_project}
    with Calls() as calls:
        exec(compile(code, PAGE.name, "exec"), here)
    assert missing(sequence(SEND), calls.seen) == []
    assert broker.wire.contents.present("documents", [f"{here['message'].message_id}:0"]) == [True]


@pytest.mark.django_db(transaction=True)
def test_a_rescue_goes_as_it_is_drawn(broker: LedgerBroker) -> None:
    worker_id, me = uuid.uuid4(), identity.of_this_process()
    presence.register(
        worker_id,
        broker_id=str(worker_id),
        host=me.host,
        hostname=me.hostname,
        pid=me.pid,
        process_started="an earlier process",
        queues=[],
        threads=1,
    )
    message = tasks.effect.send("n")
    broker.wire.fetch("default", str(worker_id), limit=1)
    ledger.claim([(message.message_id, 0)], claim_id=uuid.uuid4(), worker_id=worker_id)
    relay = Relay(broker)
    runtime = Runtime(
        Worker(broker, worker_threads=1), wire=broker.wire, actors=broker.actors, queues=broker.get_declared_queues
    )
    consumer = runtime.consumer("default", timeout_seconds=1)
    with Calls() as calls:
        relay.rescue()
        relay.publish_due()
        deadline = time.monotonic() + 60
        while runtime.work_queue.empty() and time.monotonic() < deadline:
            next(consumer)
    assert missing(sequence(RESCUE), calls.seen) == []
    claimed = runtime.work_queue.get(block=False).message
    assert (claimed.message_id, claimed.options["attempt"]) == (message.message_id, 1)


def test_a_message_that_is_not_sent_is_missed() -> None:
    diagram = Sequence(
        {"a": "workers.a", "b": "workers.b"}, [Message("a", "b", "begin(x)"), Message("a", "b", "finish()")]
    )
    begin = Call("MainThread", "workers.b", "begin", None, ("workers.a",))
    finish = Call("MainThread", "workers.b", "finish", None, ("workers.a",))
    assert missing(diagram, [begin, finish]) == []
    assert missing(diagram, [begin]) == ["a->>b: finish()"]
    assert missing(diagram, [finish, begin]) == ["a->>b: finish()"]
    assert missing(diagram, [begin, Call("MainThread", "workers.b", "finish", None, ("workers.c", "workers.b"))]) != []


# --- Names ---------------------------------------------------------------------------------------


def test_every_name_on_the_page_exists() -> None:
    not_found = []
    for word in code_words(PAGE):
        if "." in word and "/" not in word and " " not in word and not word.endswith((".py", ".md")):
            try:
                find(word)
            except LookupError:
                not_found.append(word)
    assert not_found == []
