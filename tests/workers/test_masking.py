"""Secret arguments and results: where people see them, a mark stands for the value."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django import forms
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.urls import reverse

from apps.tasks import masking, secret_names
from apps.tasks.conf import conf
from apps.tasks.errors import BadArgumentsError
from apps.tasks.models import Schedule, TaskStatus
from apps.tasks.schedules import allowed, checking
from tests import rows
from tests.clients import Writer
from tests.pages import get
from tests.tasks.test_admin_schedules import fields, make
from workers.broker import LedgerBroker
from workers.middleware.masking import BadSecretsError

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "hunter2-of-jane"


def check_code(user_id: int, code: str = "", *, password: str = "", note: Any = None) -> Any:
    raise ValueError(f"wrong code {code}")


def take_rest(first: int, *others: Any, **named: Any) -> None:
    pass


# --- Names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "password", "PASSWORD", "old_password", "passwordHash", "password2", "userpassword", "passWord", "passwd",
        "pwd", "token", "accessToken", "accesstoken", "X-Auth-Token", "csrfmiddlewaretoken", "tokens", "client_secret",
        "key", "apiKey", "APIKey", "api-key", "apikey", "keys", "Set-Cookie", "Authorization", "credentials",
        "db.password", "HTTP_AUTHORIZATION", "sessionid", "x" * 2_000,
    ],
)  # fmt: skip
def test_a_name_of_a_secret_is_found_in_every_spelling(name: str) -> None:
    assert secret_names.contains_one(name, conf.TASK_MASKED_NAMES)


@pytest.mark.parametrize(
    "name",
    ["keyword", "monkey", "turkeys", "tokenizer", "secretary", "document_id", "author", "passenger", "", "7", "cook"],
)
def test_a_name_that_only_begins_or_ends_like_one_is_none(name: str) -> None:
    assert not secret_names.contains_one(name, conf.TASK_MASKED_NAMES)


def test_the_setting_names_other_secrets(settings) -> None:
    settings.TASK_MASKED_NAMES = ["iban", "card number"]
    assert masking.is_masked("documents.process_document", "cardNumber")
    assert not masking.is_masked("documents.process_document", "password")
    settings.TASK_MASKED_NAMES = []
    assert not masking.is_masked("documents.process_document", "password")


@pytest.mark.parametrize("value", ["password", [7], [""], ["42"], 7, None])
def test_a_setting_that_has_no_names_is_refused(settings, value: Any) -> None:
    settings.TASK_MASKED_NAMES = value
    with pytest.raises(ImproperlyConfigured, match=r"TASK_MASKED_NAMES .*, must be names such as 'password'"):
        _ = conf.TASK_MASKED_NAMES


# --- The actor's own -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("cod",), r"has secret_args=\('cod',\), must be of: user_id, code, password, note"),
        ("code", r"has secret_args='code', must be a tuple of names: secret_args=\('code',\)"),
        ((7,), r"must be a tuple of names"),
    ],
)
def test_names_that_are_no_arguments_are_refused_where_the_actor_is_declared(declare, given: Any, words: str) -> None:
    with pytest.raises(BadSecretsError, match=words):
        declare(check_code, secret_args=given)


def test_arguments_are_masked_by_position_by_name_and_at_any_depth(declare: Callable[..., Any]) -> None:
    declare(check_code, secret_args=("code",))
    note = {"body": "hello", "headers": [{"Cookie": SECRET}, ["plain"]], "code": SECRET, "keyword": "kept"}
    args, kwargs = masking.arguments("acting.check_code", (7, SECRET), {"password": SECRET, "note": note})
    assert args == [7, "***"]
    assert kwargs == {
        "password": "***",
        "note": {"body": "hello", "headers": [{"Cookie": "***"}, ["plain"]], "code": "***", "keyword": "kept"},
    }


def test_further_arguments_are_masked_by_the_names_of_the_parameters_that_take_them(declare) -> None:
    declare(take_rest, secret_args=("others", "named"))
    assert masking.arguments("acting.take_rest", [1, 2, 3], {"a": 4}) == ([1, "***", "***"], {"a": "***"})
    assert masking.is_masked("acting.take_rest", "anything")
    assert not masking.is_masked("acting.take_rest", "first")


def test_all_arguments_of_an_unknown_actor_are_secret() -> None:
    assert masking.arguments("gone.actor", [1, {"a": 2}], {"b": 3}) == (["***", "***"], {"b": "***"})
    assert masking.is_masked("gone.actor", "document_id")


def test_what_no_actor_could_be_called_with_is_masked(declare: Callable[..., Any]) -> None:
    declare(check_code)
    assert masking.arguments("acting.check_code", [1, 2, 3], {})[0] == [1, 2, "***"]
    assert masking.arguments("acting.check_code", "text", None) == ("***", "***")


def test_a_name_that_any_actor_keeps_secret_is_not_searched_for(declare: Callable[..., Any]) -> None:
    assert not masking.is_masked(None, "code")
    declare(check_code, secret_args=("code",))
    assert masking.is_masked(None, "code")
    assert masking.is_masked("acting.check_code", "code")
    assert not masking.is_masked("acting.check_code", "user_id")


def test_a_message_inside_arguments_is_masked_by_its_own_actor(declare: Callable[..., Any]) -> None:
    """A callback gets the message of the task that it follows."""
    actor = declare(check_code, secret_args=("code",))
    declare(take_rest)
    args, _ = masking.arguments("acting.take_rest", [1, actor.message(7, SECRET).asdict()], {})
    assert args[1]["args"] == [7, "***"]
    assert args[1]["queue_name"] == "default"


def test_values_nested_too_deeply_are_masked() -> None:
    value: Any = SECRET
    for _ in range(900):
        value = [value]
    assert SECRET not in json.dumps(masking.any_value(value))


# --- Where people look ---------------------------------------------------------------------------


def test_the_pages_and_the_api_show_no_secret(admin_client: Client, declare: Callable[..., Any], jane: Writer) -> None:
    declare(check_code, secret_args=("code",), unique=True, concurrency=1, limit_key=lambda user_id, code="", **_: code)
    result = {"code": SECRET, "session": {"token": SECRET}, "count": 4_711}
    task = rows.task(
        "acting.check_code", args=[815, SECRET], kwargs={"password": SECRET}, line=SECRET, status="completed",
        options={"unique": f'["acting.check_code",{{"code":"{SECRET}"}}]', "headers": {"authorization": SECRET}},
        result=result, owner_id=jane.user.pk,
    )  # fmt: skip
    page = get(admin_client, reverse("admin:tasks_taskstatus_change", args=[task.pk]))
    assert "815" in page.text
    assert "4711" in page.text
    for html in (page.html, get(admin_client, reverse("admin:tasks_taskstatus_changelist")).html):
        assert SECRET not in html
    url = reverse("task-detail", args=[task.task_id])
    for client in (jane, admin_client):
        for address in (url, reverse("task-list")):
            assert SECRET not in client.get(address).content.decode()
    assert jane.get(url).json()["result"] == {"code": "***", "session": {"token": "***"}, "count": 4_711}


def test_errors_and_tracebacks_of_a_task_show_no_secret(working, declare, ended, caplog) -> None:
    actor = declare(check_code, secret_args=("code",), max_retries=0)
    task = ended(actor.send(7, SECRET, password="long-enough"))
    assert task.error_message == "wrong code ***"
    assert "ValueError: wrong code ***" in task.traceback
    assert "task finished" in caplog.text
    assert SECRET not in caplog.text


def fail(user_id: int, code: str = "", **others: Any) -> Any:
    raise ValueError(f"no key of {code}")


def return_list(user_id: int, code: str = "", **others: Any) -> Any:
    return [code]


@pytest.mark.parametrize("make", [fail, return_list])
@pytest.mark.parametrize("option", ["unique", "limit_key"])
def test_errors_of_functions_that_make_keys_show_no_secret(declare, make: Callable[..., Any], option: str) -> None:
    concurrency = 1 if option == "limit_key" else None
    actor = declare(check_code, secret_args=("code",), concurrency=concurrency, **{option: make})
    with pytest.raises(BadArgumentsError, match="code") as caught:
        actor.send(7, SECRET)
    assert SECRET not in str(caught.value)


# --- Schedules -----------------------------------------------------------------------------------


class OfCode(forms.Form):
    user_id = forms.IntegerField()
    code = forms.CharField()


@pytest.fixture
def schedule(declare: Callable[..., Any]) -> Any:
    declare(check_code, secret_args=("code",))
    kwargs = {"user_id": 815, "code": SECRET, "note": {"token": SECRET}}
    return make("nightly", task_name="acting.check_code", kwargs=kwargs)


def saved(client: Client, schedule: Schedule, **changed: Any) -> Schedule:
    address = reverse("admin:tasks_schedule_change", args=[schedule.pk])
    page = get(client, address)
    assert SECRET not in page.html
    shown = json.dumps(masking.arguments(schedule.task_name, [], schedule.kwargs)[1])
    sent = fields(**{"name": schedule.name, "task_name": schedule.task_name, "kwargs": shown, **changed})
    answer = client.post(address, sent)
    assert SECRET not in answer.content.decode()
    return Schedule.objects.get()


def test_the_form_of_a_schedule_keeps_the_secrets_that_it_does_not_show(admin_client: Client, schedule) -> None:
    assert saved(admin_client, schedule, cron="0 4 * * *").kwargs == schedule.kwargs
    changed = '{"user_id": 1, "code": "new", "note": {"token": "***", "more": 1}}'
    found = saved(admin_client, schedule, kwargs=changed)
    assert found.kwargs == {"user_id": 1, "code": "new", "note": {"token": SECRET, "more": 1}}
    assert SECRET not in get(admin_client, reverse("admin:tasks_schedule_changelist")).html


def test_another_actor_gets_no_secrets_of_a_schedule(admin_client: Client, schedule, declare) -> None:
    def other(code: str = "", **named: Any) -> None:
        pass

    declare(other)
    found = saved(admin_client, schedule, task_name="acting.other", kwargs='{"code": "***"}')
    assert found.task_name == "acting.check_code"
    assert found.kwargs == schedule.kwargs


def test_an_actors_own_form_keeps_a_secret_that_is_left_empty(
    admin_client: Client, schedule, broker: LedgerBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(allowed.offers, "acting.check_code", allowed.Offer(form=OfCode))
    own = {"arguments_of": "acting.check_code", "arguments-user_id": "9"}
    assert saved(admin_client, schedule, **own).kwargs == {"user_id": 9, "code": SECRET}
    assert saved(admin_client, schedule, **own, **{"arguments-code": "new-code"}).kwargs["code"] == "new-code"


def test_the_error_of_a_schedules_argument_does_not_quote_a_secret(schedule: Schedule) -> None:
    schedule.kwargs = {"user_id": 1, "code": 4711000}
    assert checking.argument_error(schedule) == (
        "argument 'code' for acting.check_code is '***' of type int, must be of type str, as its function says"
    )
    schedule.kwargs = [{"password": SECRET}]
    assert SECRET not in checking.argument_error(schedule)


def test_the_row_keeps_the_values(declare: Callable[..., Any]) -> None:
    declare(check_code, secret_args=("code",)).send(7, SECRET)
    assert TaskStatus.objects.get().args == [7, SECRET]
