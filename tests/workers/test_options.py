"""Options of actors and of messages: an unknown or wrong one is refused where it is written, with what was meant."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dramatiq
import pytest
from dramatiq import Actor, GenericActor, Message, Middleware
from dramatiq.results import Results
from dramatiq.results.backends import StubBackend

from apps.tasks.errors import BadArgumentsError, BadOptionError, TaskError
from apps.tasks.models import TaskStatus
from tests.acting import tasks
from workers.broker import LedgerBroker
from workers.sending.actor import LedgerActor
from workers.sending.options import READ_BY_DRAMATIQ, of_messages

pytestmark = pytest.mark.django_db

#: Options that a message may have with the middleware of this project.
OF_MESSAGES = {
    "debounce", "debounce_max", "delay", "eta", "expires", "max_age", "max_backoff",
    "max_retries", "message_id", "min_backoff", "notify_shutdown", "on_failure", "on_retry_exhausted", "on_success",
    "owner_id", "parent", "pipe_ignore", "pipe_target", "priority", "store_results", "time_limit", "unique",
    "weight", "while_",
}  # fmt: skip


@pytest.fixture
def add_middleware(broker: LedgerBroker) -> Iterator[Callable[[Middleware], None]]:
    """Add a middleware for this test only."""
    middleware, options = list(broker.middleware), set(broker.actor_options)
    yield broker.add_middleware
    broker.middleware, broker.actor_options = middleware, options


def refused(call: Callable[[], object]) -> str:
    """Return the error of a call, which must be refused."""
    with pytest.raises(BadOptionError) as caught:
        call()
    assert isinstance(caught.value, TaskError)
    assert isinstance(caught.value, ValueError)
    assert not TaskStatus.objects.exists()
    return str(caught.value)


def both_ways(**options: Any) -> str:
    """Return the error of a send and of a message with these options, which must be the same."""
    sent = refused(lambda: tasks.effect.send_with_options(args=("n",), **options))
    assert sent == refused(lambda: tasks.effect.message_with_options(args=("n",), **options))
    return sent


# --- Messages ------------------------------------------------------------------------------------


def test_a_message_may_have_what_is_read_from_it(broker) -> None:
    assert of_messages(broker) == OF_MESSAGES


def test_each_middleware_of_ours_says_what_it_reads_from_messages(broker) -> None:
    """Else a message could have options that are read from actors alone."""
    ours = [one for one in broker.middleware if type(one).__module__.startswith("workers.") and one.actor_options]
    known_kinds = tuple(kind for kind, _ in READ_BY_DRAMATIQ)
    silent = [one for one in ours if not hasattr(one, "message_options") and not isinstance(one, known_kinds)]
    assert [type(one).__name__ for one in silent] == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        # Slips.
        ("dealy", "dealy: did you mean delay?"),
        ("max_retry", "max_retry: did you mean max_retries?"),
        ("exipres", "exipres: did you mean expires?"),
        ("Delay", "Delay: did you mean delay?"),
        ("owner", "owner: did you mean owner_id?"),
        ("xyzzy", "xyzzy: there is no such option."),
        ("x" * 5_000, "x: there is no such option."),
        ("odd\n", r"'odd\n': there is no such option."),
        # Celery's.
        ("countdown", "countdown: did you mean delay? It takes milliseconds or a timedelta."),
        ("cuontdown", "cuontdown: did you mean delay? It takes milliseconds or a timedelta."),
        ("task_id", "task_id: did you mean message_id?"),
        ("queue", "the queue belongs on the actor: @dramatiq.actor(queue_name=...)"),
        ("routing_key", "the queue belongs on the actor"),
        ("exchange", "the queue belongs on the actor"),
        ("ignore_result", "did you mean store_results=False?"),
        ("link", "link: did you mean on_success?"),
        ("link_error", "link_error: did you mean on_retry_exhausted?"),
        ("soft_time_limit", "did you mean time_limit? It is in milliseconds"),
        ("retry", "there is none. The send is a row in your transaction"),
        ("retry_policy", "max_retries, min_backoff and max_backoff are about the task"),
        ("serializer", "there is none. Arguments and results are JSON."),
        ("compression", "Store large data and send its id"),
        ("shadow", "there is none. The row shows the actor's name."),
        ("headers", "Pass an argument"),
        ("connection", "The settings name the broker"),
        ("chord", "did you mean dramatiq.group(...).add_completion_callback(...)?"),
        ("add_to_parent", "did you mean parent?"),
        ("group_id", "dramatiq.group and dramatiq.pipeline"),
        ("parent_id", "did you mean parent?"),
        ("root_id", "dramatiq.group and dramatiq.pipeline"),
        ("retries", "retries: did you mean max_retries?"),
        # Dramatiq's, that a message would ignore or that break its worker.
        ("related_to", "related_to: it belongs on the actor: @dramatiq.actor(related_to=...)."),
        ("transactional", "it belongs on the actor"),
        ("periodic", "it belongs on the actor"),
        ("retry_when", "it belongs on the actor"),
        ("throws", "it belongs on the actor: @dramatiq.actor(throws=...). A message cannot carry classes."),
        ("queue_name", "the queue belongs on the actor"),
        ("actor_name", "Call send_with_options of the actor that is to run"),
        ("result_ttl", "The result stays as long as its row"),
        ("bind", "did you mean CurrentMessage.get_current_message()?"),
        ("broker_priority", "it is RabbitMQ's"),
        ("attempt", "workers set it"),
        ("redis_message_id", "workers set it"),
        ("traceback", "workers set it"),
    ],
)
def test_an_unknown_option_of_a_message_is_refused_with_what_was_meant(broker, name: str, words: str) -> None:
    said = both_ways(**{name: 5})
    assert said.startswith("unknown option of a message for acting.effect: ")
    assert words in said
    listed = f" Must be one of: {', '.join(sorted({*OF_MESSAGES, 'args', 'kwargs'}))}."
    assert said.endswith(listed) == ("there is no such option" in said)


def test_each_unknown_option_is_named(broker) -> None:
    said = both_ways(countdown=60, queue="slow", delay=5)
    assert "countdown: did you mean delay?" in said
    assert "queue: the queue belongs on the actor" in said
    assert "delay: " not in said.replace("countdown: did you mean delay", "")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"args": "n"}, "args for acting.effect is of type str, must be a tuple: args=(value,) with a comma"),
        ({"args": 5}, "args for acting.effect is of type int"),
        ({"kwargs": [1]}, "kwargs for acting.effect is of type list, must be a dict"),
        ({"store_results": "no"}, "'store_results' for acting.effect is 'no', must be True or False"),
        ({"notify_shutdown": 1}, "must be True or False"),
        ({"pipe_ignore": "false"}, "must be True or False"),
        ({"on_success": 5}, "'on_success' for acting.effect is 5, must be an actor or the name of one"),
        ({"on_failure": print}, "must be an actor or the name of one"),
        ({"on_retry_exhausted": ""}, "must be an actor or the name of one"),
        ({"max_retries": "3"}, "'max_retries' for acting.effect is '3', must be a whole number"),
        ({"time_limit": timedelta(seconds=90)}, "(milliseconds: ten years): time_limit=90_000"),
        ({"max_age": timedelta(hours=1)}, "max_age=3_600_000, or expires with the timedelta"),
        ({"message_id": 5}, "the message id for 'acting.effect' is 5, must be a text of 1 to 255 characters"),
        ({"message_id": ""}, "must be a text of 1 to 255 characters"),
        ({"message_id": "x" * 256}, "must be a text of 1 to 255 characters"),
        ({"message_id": "a\x00b"}, "without NULs"),
    ],
)
def test_a_wrong_value_is_refused_before_the_message_is_made(broker, options: dict[str, Any], words: str) -> None:
    for call in (tasks.effect.send_with_options, tasks.effect.message_with_options):
        with pytest.raises(BadArgumentsError) as caught:
            call(**({"args": ("n",)} | options))
        assert words in str(caught.value)
    assert not TaskStatus.objects.exists()


def test_actors_in_the_options_become_their_names(broker) -> None:
    message = tasks.effect.message_with_options(args=("n",), on_success=tasks.say, on_retry_exhausted=tasks.exhausted)
    assert message.options == {"on_success": "acting.say", "on_retry_exhausted": "acting.exhausted"}


def test_options_that_the_row_and_the_middleware_read_are_taken(broker) -> None:
    tasks.effect.send_with_options(args=["n"], max_retries=1, time_limit=5_000, store_results=False, owner_id=None)  # type: ignore[arg-type]
    assert TaskStatus.objects.get().options == {"max_retries": 1, "time_limit": 5_000, "store_results": False}


def test_an_option_that_is_none_is_as_if_it_were_not_there(broker) -> None:
    """But for two that say something: no limit, and no owner."""
    nothing: dict[str, Any] = {name: None for name in OF_MESSAGES if not name.startswith(("group_", "pipe_t"))}
    message = tasks.effect.message_with_options(args=("n",), **nothing)
    assert message.options == {"max_retries": None, "owner_id": None}


def test_a_plain_send_has_no_options(broker) -> None:
    assert tasks.effect.send("n").options == {}


# --- Middleware of a project ---------------------------------------------------------------------


class Tenants(Middleware):
    """A middleware that says what it reads from messages."""

    actor_options = {"tenant_of"}
    message_options = {"tenant"}


class Undecided(Middleware):
    """A middleware as Dramatiq knows them."""

    actor_options = {"region"}


def test_a_middleware_says_what_it_reads_from_messages(broker, add_middleware) -> None:
    assert "tenant: there is no such option" in both_ways(tenant="a")
    add_middleware(Tenants())
    assert tasks.effect.message_with_options(args=("n",), tenant="a").options == {"tenant": "a"}
    assert "tenant_of: it belongs on the actor" in both_ways(tenant_of="a")


def test_the_options_of_actors_count_for_a_middleware_that_does_not_say(broker, add_middleware) -> None:
    add_middleware(Undecided())
    assert tasks.effect.message_with_options(args=("n",), region="a").options == {"region": "a"}


def test_a_middleware_of_dramatiq_may_be_extended(broker, add_middleware) -> None:
    class Budget(dramatiq.middleware.Retries):
        @property
        def actor_options(self) -> set[str]:
            return {*super().actor_options, "budget"}

    add_middleware(Budget())
    assert tasks.effect.message_with_options(args=("n",), budget=5).options == {"budget": 5}
    assert "retry_when: it belongs on the actor" in both_ways(retry_when=5)


def test_a_time_to_live_is_for_results_that_are_not_in_rows(broker, add_middleware) -> None:
    add_middleware(Results(backend=StubBackend()))
    assert tasks.effect.message_with_options(args=("n",), result_ttl=5).options == {"result_ttl": 5}


# --- Actors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("max_retry", "max_retry: did you mean max_retries?"),
        ("transactionel", "transactionel: did you mean transactional?"),
        ("bind", "bind: did you mean CurrentMessage.get_current_message()?"),
        ("name", "name: did you mean actor_name?"),
        ("base", "base: did you mean actor_class?"),
        ("queue", "queue: did you mean queue_name?"),
        ("autoretry_for", "every exception leads to a retry. throws names those that do not"),
        ("retry_backoff", "did you mean min_backoff?"),
        ("retry_backoff_max", "did you mean max_backoff?"),
        ("retry_kwargs", "did you mean max_retries, min_backoff and max_backoff?"),
        ("default_retry_delay", "did you mean min_backoff?"),
        ("acks_late", "a message is always acked after its outcome is committed"),
        ("reject_on_worker_lost", "it is always on"),
        ("soft_time_limit", "did you mean time_limit?"),
        ("ignore_result", "did you mean store_results=False?"),
        ("delay", "delay: it belongs on the send: send_with_options(delay=...)."),
        ("eta", "it belongs on the send"),
        ("message_id", "it belongs on the send"),
        ("owner_id", "it belongs on the send"),
        ("countdown", "countdown: it belongs on the send: did you mean delay?"),
    ],
)
def test_an_unknown_option_of_an_actor_is_refused_with_what_was_meant(broker, declare, name: str, words: str) -> None:
    def odd() -> None:
        pass

    said = refused(lambda: declare(odd, **{name: 5}))
    assert said.startswith("unknown option of the actor acting.odd: ")
    assert words in said
    assert ("Must be one of: actor_class, actor_name, " in said) == ("there is no such option" in said)
    advice = "An option of another middleware needs that middleware in DRAMATIQ_BROKER."
    assert said.endswith(advice) == ("there is no such option" in said)
    assert "acting.odd" not in broker.actors


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_retries": "3"}, "'max_retries' for acting.odd is '3', must be a whole number"),
        ({"max_retries": -1}, "must be a whole number from 0"),
        ({"max_retries": 1.5}, "must be a whole number from 0"),
        ({"time_limit": timedelta(minutes=1)}, "time_limit=60_000"),
        ({"min_backoff": True}, "must be a whole number"),
        ({"min_backoff": None}, "must be a whole number"),
        ({"time_limit": None}, "must be a whole number"),
        ({"max_backoff": float("nan")}, "must be a whole number"),
        ({"max_age": float("inf")}, "must be a whole number"),
        ({"expires": 3_600}, "expires for acting.odd is 3600, must be a timedelta such as timedelta(hours=1); max_age"),
        ({"expires": datetime(2030, 1, 1, tzinfo=UTC)}, "must be a timedelta"),
        ({"expires": timedelta(seconds=-1)}, "must be from 0 to ten years"),
        ({"expires": timedelta(days=4_000)}, "must be from 0 to ten years"),
        ({"expires": timedelta(hours=1), "max_age": 5}, "acting.odd has both max_age and expires"),
        ({"store_results": "no"}, "must be True or False"),
        ({"transactional": "yes"}, "must be True or False"),
        ({"throws": [ValueError]}, "must be a class of exceptions or a tuple of such classes"),
        ({"throws": "ValueError"}, "must be a class of exceptions"),
        ({"on_success": print}, "must be an actor or the name of one"),
        ({"retry_when": 3}, "option 'retry_when' for acting.odd is 3, must be a function of the number of retries and"),
    ],
    ids=str,
)
def test_a_wrong_value_on_an_actor_is_refused(broker, declare, options: dict[str, Any], words: str) -> None:
    def odd() -> None:
        pass

    assert words in refused(lambda: declare(odd, **options))
    assert "acting.odd" not in broker.actors


def test_values_that_dramatiq_takes_are_taken_on_an_actor(broker, declare) -> None:
    def usual() -> None:
        pass

    actor = declare(
        usual,
        max_retries=None,
        time_limit=float("inf"),
        max_backoff=float("inf"),
        throws=KeyError,
        on_failure=tasks.say,
    )
    assert actor.options["on_failure"] == "acting.say"


# --- Classes of actors ---------------------------------------------------------------------------


class Loud(Actor[Any, Any]):
    """A project's own class, whose sends have an option of their own."""

    def send_with_options(self, *, loud: bool = False, **options: Any) -> Message[Any]:
        return super().send_with_options(kwargs={"loud": loud}, **options)

    def shout(self) -> Message[Any]:
        return self.send_with_options(loud=True)


def test_a_plain_declaration_makes_a_ledger_actor(broker, declare) -> None:
    assert type(tasks.effect) is LedgerActor
    assert repr(tasks.add).startswith("Actor(<function")


def test_a_projects_own_class_of_actors_keeps_its_methods_and_is_checked(broker, declare) -> None:
    def quiet(loud: bool) -> None:
        pass

    actor = declare(quiet, actor_class=Loud)
    assert isinstance(actor, Loud)
    assert isinstance(actor, LedgerActor)
    assert type(actor).__name__ == "Loud"
    assert "countdown: did you mean delay?" in refused(lambda: actor.send_with_options(countdown=5))
    actor.shout()
    assert TaskStatus.objects.get().kwargs == {"loud": True}


def test_a_class_that_extends_ledger_actor_stays_as_it_is(broker, declare) -> None:
    class Ours(LedgerActor[Any, Any]):
        pass

    assert type(declare(lambda_named("ours"), actor_class=Ours)) is Ours


def test_actors_made_of_classes_are_checked(broker) -> None:
    with pytest.raises(BadOptionError, match="bind: did you mean"):

        class Bound(GenericActor):
            class Meta:
                actor_name = "acting.bound"
                bind = True

            def perform(self) -> None:
                pass

    class Whole(GenericActor):
        class Meta:
            actor_name = "acting.whole"

        def perform(self) -> None:
            pass

    try:
        actor: Any = Whole
        assert "countdown: did you mean delay?" in refused(lambda: actor.send_with_options(countdown=5))
    finally:
        del broker.actors["acting.whole"]


def lambda_named(name: str) -> Callable[[], None]:
    def actor() -> None:
        pass

    actor.__name__ = name
    return actor


# --- An id of the caller's own -------------------------------------------------------------------


def test_a_send_has_the_id_that_its_caller_gives(broker) -> None:
    message = tasks.effect.send_with_options(args=("n",), message_id="invoice 7")
    assert message.message_id == TaskStatus.objects.get().task_id == "invoice 7"
    assert message.options == TaskStatus.objects.get().options == {}


def test_the_same_id_twice_is_one_task(broker) -> None:
    for nonce in ("first", "second"):
        tasks.effect.send_with_options(args=(nonce,), message_id="invoice 7", delay=60_000)
    assert TaskStatus.objects.get().args == ["first"]


def test_no_id_is_a_new_id(broker) -> None:
    sent = [tasks.effect.send_with_options(args=("n",), message_id=None) for _ in range(2)]
    assert len({message.message_id for message in sent}) == 2


def test_a_message_with_an_id_can_be_sent_later_and_in_a_pipeline(broker) -> None:
    message = tasks.say.message_with_options(args=("a",), message_id="first")
    (message | tasks.say.message_with_options(message_id="second")).run()
    row = TaskStatus.objects.get()
    assert (row.task_id, row.options["pipe_target"]["message_id"]) == ("first", "second")


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("delay", r"acting.say has no delay: did you mean send\(...\)\?"),
        ("apply_async", r"did you mean send_with_options\(args="),
        ("s", r"did you mean message\(...\)\?"),
        ("signature", r"did you mean message_with_options\(args=\(...\)\)\?"),
        ("nonsense", "'LedgerActor' object has no attribute 'nonsense'"),
    ],
)
def test_a_method_of_another_task_queue_is_no_attribute_and_has_its_counterpart(name: str, advice: str) -> None:
    with pytest.raises(AttributeError, match=advice):
        getattr(tasks.say, name)
    assert not hasattr(tasks.say, name)
