"""Actors whose arguments have a form of their own on the page of a schedule."""

import datetime
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import dramatiq
import pytest
from django import forms
from django.contrib.auth import get_user_model
from django.urls import reverse

from apps.tasks.errors import BadFormError, BadOfferError
from apps.tasks.models import Schedule
from apps.tasks.schedules import actions, allowed
from apps.tasks.schedules.allowed import schedulable
from tests.clients import allow
from tests.pages import Page, get
from tests.tasks.test_admin_schedules import ADD, PREVIEW, WEEKLY, fields, page_of
from workers.broker import LedgerBroker

#: Pages and forms are the same on every database. `tests/access/test_databases.py` opens every page on the second.
pytestmark = [pytest.mark.once, pytest.mark.django_db, pytest.mark.usefixtures("broker")]

CLEAN = "documents.clean_expired_documents"
OWN = "This actor has a form of its own for its arguments. Fill it in below."


class ManyKinds(forms.Form):
    day = forms.DateField()
    ratio = forms.DecimalField(required=False)
    key = forms.UUIDField(required=False)
    colours = forms.MultipleChoiceField(choices=[("r", "Red"), ("g", "Green")], required=False)
    user = forms.ModelChoiceField(get_user_model().objects.all(), required=False)
    is_dry = forms.BooleanField(required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("is_dry") and cleaned.get("user"):
            raise forms.ValidationError("A dry run is for no user.")
        return cleaned


class ByUser(forms.Form):
    user = forms.ModelChoiceField(get_user_model().objects.all())


class OfJson(forms.Form):
    values = forms.JSONField()


class Many(forms.Form):
    users = forms.ModelMultipleChoiceField(get_user_model().objects.all(), required=False)


class ByName(forms.Form):
    user = forms.ModelChoiceField(get_user_model().objects.all(), to_field_name="username")
    users = forms.ModelMultipleChoiceField(get_user_model().objects.all(), to_field_name="username")


@pytest.fixture
def offer(broker: LedgerBroker) -> Iterator[Callable[..., str]]:
    """Declare an actor and offer it with a form. Return its name."""
    names: list[str] = []

    def offer(fn: Callable[..., Any], form: Any) -> str:
        actor = dramatiq.actor(actor_name=f"acting.{fn.__name__}")(fn)
        names.append(actor.actor_name)
        schedulable(actor, form=form)
        return actor.actor_name

    yield offer
    for name in names:
        del broker.actors[name]
        allowed.offers.pop(name, None)


@pytest.fixture
def many_kinds(offer: Callable[..., str]) -> str:
    def many_kinds(
        day: str, ratio: str = "", key: str = "", colours: list[str] | None = None, user: int = 0, is_dry: bool = True
    ) -> None: ...

    return offer(many_kinds, ManyKinds)


def filled_in(actor: str, **arguments: Any) -> dict[str, Any]:
    """Return the fields of a page that shows the form of the actor."""
    values = {f"arguments-{name}": value for name, value in arguments.items()}
    sent = fields(task_name=actor, arguments_of=actor, **values)
    del sent["kwargs"]
    return sent


def send(client: Any, address: str, sent: dict[str, Any]) -> Page:
    response = client.post(address, sent)
    return Page(response.content.decode())


# --- On the page ---------------------------------------------------------------------------------


def test_the_form_appears_once_the_actor_is_chosen_and_nothing_else_is_lost(admin_client) -> None:
    page = send(admin_client, ADD, fields(task_name=CLEAN))
    assert OWN in page.text
    assert Schedule.objects.count() == 0
    assert page.with_attribute("name", "arguments-days_kept")
    assert page.with_attribute("value", "Mondays")
    assert page.with_attribute("value", "0 8 * * 1")
    assert not page.with_attribute("name", "kwargs")
    assert "This field is required" not in page.text
    assert admin_client.post(ADD, filled_in(CLEAN, days_kept="30")).status_code == 302
    assert Schedule.objects.get().kwargs == {"days_kept": 30}


def test_a_link_chooses_the_actor(admin_client) -> None:
    page = get(admin_client, ADD, task_name=CLEAN)
    assert page.with_attribute("name", "arguments-days_kept")
    assert page.with_attribute("name", "arguments_of")


def test_the_page_links_to_the_forms_of_actors_that_one_may_schedule(admin_client, client, django_user_model) -> None:
    address = f"?task_name={CLEAN}"
    assert get(admin_client, ADD).with_attribute("href", address)
    assert not get(admin_client, ADD, task_name=CLEAN).with_attribute("href", address), "it is shown already"
    user = django_user_model.objects.create_user("staff", is_staff=True)
    allow(user, "tasks.add_schedule")
    allowed_before = allowed.offers[CLEAN]
    client.force_login(django_user_model.objects.get(pk=user.pk))
    assert get(client, ADD).with_attribute("href", address)
    try:
        allowed.offers[CLEAN] = allowed.Offer(permission="projects.change_project", form=allowed_before.form)
        assert not get(client, ADD).with_attribute("href", address)
    finally:
        allowed.offers[CLEAN] = allowed_before


def test_the_arguments_are_shown_and_changed(admin_client) -> None:
    schedule = Schedule(name="Mondays", task_name=CLEAN, cron="0 8 * * 1", kwargs={"days_kept": 7})
    actions.make(schedule)
    page = get(admin_client, page_of(schedule))
    assert page.with_attribute("name", "arguments-days_kept")[0]["value"] == "7"
    assert admin_client.post(page_of(schedule), filled_in(CLEAN, days_kept="9")).status_code == 302
    schedule.refresh_from_db()
    assert schedule.kwargs == {"days_kept": 9}
    assert "Days kept" in get(admin_client, reverse("admin:tasks_schedule_history", args=[schedule.pk])).text


def test_an_empty_field_leaves_the_default_of_the_actor(admin_client) -> None:
    assert admin_client.post(ADD, filled_in(CLEAN, days_kept="")).status_code == 302
    assert Schedule.objects.get().kwargs == {}


@pytest.mark.parametrize(
    ("value", "words"),
    [("-1", "greater than or equal to 0"), ("366", "less than or equal to 365"), ("x", "Enter a whole number")],
)
def test_a_wrong_value_is_refused_once_at_its_field(admin_client, value, words) -> None:
    text = send(admin_client, ADD, filled_in(CLEAN, days_kept=value)).text
    assert text.count(words) == 1
    assert Schedule.objects.count() == 0


def test_another_actor_has_other_arguments(admin_client) -> None:
    schedule = Schedule(name="Mondays", task_name=CLEAN, cron="0 8 * * 1", kwargs={"days_kept": 7})
    actions.make(schedule)
    sent = filled_in(CLEAN, days_kept="7") | {"task_name": WEEKLY}
    assert admin_client.post(page_of(schedule), sent).status_code == 302
    schedule.refresh_from_db()
    assert (schedule.task_name, schedule.kwargs) == (WEEKLY, {})
    page = send(admin_client, page_of(schedule), fields(task_name=CLEAN))
    assert OWN in page.text
    schedule.refresh_from_db()
    assert schedule.task_name == WEEKLY


def test_values_become_what_json_has(admin_client, admin_user, many_kinds) -> None:
    key = uuid.uuid4()
    sent = filled_in(
        many_kinds, day="2026-11-30", ratio="0.10", key=str(key), colours=["r", "g"], user=str(admin_user.pk)
    )
    assert admin_client.post(ADD, sent).status_code == 302
    schedule = Schedule.objects.get()
    assert schedule.kwargs == {
        "day": "2026-11-30", "ratio": "0.10", "key": str(key), "colours": ["r", "g"], "user": admin_user.pk,
        "is_dry": False,
    }  # fmt: skip
    page = get(admin_client, page_of(schedule))
    assert page.with_attribute("name", "arguments-day")[0]["value"] == "2026-11-30"


def test_a_required_field_and_a_rule_over_several_are_checked(admin_client, admin_user, many_kinds) -> None:
    text = send(admin_client, ADD, fields(task_name=many_kinds)).text
    assert OWN in text
    assert "This field is required" not in text
    assert send(admin_client, ADD, filled_in(many_kinds)).text.count("This field is required") == 1
    sent = filled_in(many_kinds, day="2026-11-30", is_dry="on", user=str(admin_user.pk))
    assert "A dry run is for no user." in send(admin_client, ADD, sent).text
    assert Schedule.objects.count() == 0


def test_what_the_actor_refuses_is_told_at_the_actor(admin_client, offer) -> None:
    class Wrong(forms.Form):
        number = forms.CharField()

    def takes_a_number(number: int) -> None: ...

    text = send(admin_client, ADD, filled_in(offer(takes_a_number, Wrong), number="one")).text
    assert "must be of type int" in text
    assert Schedule.objects.count() == 0


def test_staff_fill_in_the_form_and_viewers_see_the_arguments(client, django_user_model) -> None:
    user = django_user_model.objects.create_user("staff", is_staff=True)
    client.force_login(user)
    schedule = Schedule(name="Mondays", task_name=CLEAN, cron="0 8 * * 1", kwargs={"days_kept": 7})
    actions.make(schedule)
    allow(user, "tasks.view_schedule")
    page = get(client, page_of(schedule))
    assert not page.with_attribute("name", "arguments-days_kept")
    assert "days_kept" in page.text
    allow(django_user_model.objects.get(), *(f"tasks.{action}_schedule" for action in ("add", "change")))
    client.force_login(django_user_model.objects.get())
    assert client.post(page_of(schedule), filled_in(CLEAN, days_kept="1")).status_code == 302


def test_the_preview_needs_no_arguments(admin_client) -> None:
    schedule = Schedule(name="Mondays", task_name=CLEAN, cron="0 8 * * 1")
    actions.make(schedule)
    assert "At 08:00 on Monday" in get(admin_client, PREVIEW, **fields(pk=schedule.pk)).text


def test_the_form_of_an_actor_that_one_may_not_schedule_is_not_shown(client, django_user_model, offer) -> None:
    def secret(user: int) -> None: ...

    name = offer(secret, ByUser)
    allowed.offers[name] = allowed.Offer(permission="projects.change_project", form=ByUser)
    django_user_model.objects.create_user("secretperson", "secret@example.org")
    user = django_user_model.objects.create_user("staff", "staff@example.org", is_staff=True)
    allow(user, "tasks.add_schedule", "tasks.change_schedule", "tasks.view_schedule")
    client.force_login(django_user_model.objects.get(pk=user.pk))
    schedule = Schedule(name="Mondays", task_name=CLEAN, cron="0 8 * * 1")
    actions.make(schedule)
    for shown in (
        client.get(ADD, {"task_name": name}),
        client.post(ADD, fields(task_name=name)),
        client.post(ADD, filled_in(name, user=str(user.pk))),
        client.post(page_of(schedule), filled_in(name, user=str(user.pk))),
    ):
        page = Page(shown.content.decode())
        assert shown.status_code == 200
        assert "secretperson" not in page.text
        assert not page.with_attribute("name", "arguments-user")
    assert [one.task_name for one in Schedule.objects.all()] == [CLEAN]


@pytest.mark.parametrize(
    "text",
    [
        "NaN", '{"a": [NaN]}', "1e999", "{", r'"\ud800"', r'{"\ud800": 1}', r'"\u0000"',
        pytest.param("9" * 5_000, id="digits"), pytest.param("[" * 100_000, id="unclosed"),
        pytest.param("[" * 500 + "]" * 500, id="nested"), pytest.param("[" * 20_000 + "]" * 20_000, id="deep"),
    ],
)  # fmt: skip
def test_json_that_no_row_can_have_is_refused_at_its_field(admin_client, offer, text) -> None:
    def takes_values(values: Any) -> None: ...

    name = offer(takes_values, OfJson)
    response = admin_client.post(ADD, filled_in(name, values=text))
    page = Page(response.content.decode())
    assert (response.status_code, Schedule.objects.count()) == (200, 0)
    assert page.with_attribute("name", "arguments-values")
    told = (
        "cannot be read", "is no JSON", "Enter a valid JSON", "a lone surrogate", "is nested more than",
        "Null characters",
    )  # fmt: skip
    assert sum(page.text.count(words) for words in told) == 1


def test_an_optional_choice_of_objects_that_is_empty_leaves_the_default(admin_client, offer) -> None:
    def many(users: list[int] | None = None) -> None: ...

    assert admin_client.post(ADD, filled_in(offer(many, Many))).status_code == 302
    assert Schedule.objects.get().kwargs == {}


def test_a_choice_by_another_column_is_saved_as_the_primary_key_and_shown_again(
    admin_client, admin_user, offer
) -> None:
    def both(user: int, users: list[int]) -> None: ...

    sent = filled_in(offer(both, ByName), user=admin_user.username, users=[admin_user.username])
    assert admin_client.post(ADD, sent).status_code == 302
    schedule = Schedule.objects.get()
    assert schedule.kwargs == {"user": admin_user.pk, "users": [admin_user.pk]}
    chosen = get(admin_client, page_of(schedule)).with_attribute("value", admin_user.username)
    assert ["selected" in one for one in chosen] == [True, True]
    Schedule.objects.update(kwargs={"user": "x", "users": 5})
    assert get(admin_client, page_of(schedule)).with_attribute("name", "arguments-users")


def test_a_field_without_a_label_has_its_own_name(admin_client, offer) -> None:
    def both(user: int, users: list[int]) -> None: ...

    text = get(admin_client, ADD, task_name=offer(both, ByName)).text
    assert "Arguments-" not in text
    assert "Users" in text


# --- Declared ------------------------------------------------------------------------------------


class One(forms.Form):
    one = forms.IntegerField()


class WithFile(forms.Form):
    one = forms.FileField()


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (object, "must be a class derived from django.forms.Form"),
        (One(), "must be a class derived from django.forms.Form"),
        (forms.Form, "has no field for one"),
        (ManyKinds, "has the fields day, ratio, key, colours, user, is_dry, which are no arguments of acting.two"),
        (WithFile, "has the fields one for files"),
    ],
)
def test_a_form_that_does_not_fit_its_actor_is_refused_when_it_is_declared(offer, form, words) -> None:
    def two(one: int, two: int = 2) -> None: ...

    with pytest.raises(BadFormError, match=words):
        offer(two, form)


def test_a_value_that_json_has_not_is_refused() -> None:
    form = One({"one": 1})
    assert form.is_valid()
    for value in (object(), float("nan"), b"x"):
        form.cleaned_data = {"one": value}
        with pytest.raises(BadFormError, match="The field 'one' gives"):
            allowed.arguments_of(form)
    form.cleaned_data = {"one": {"a": (datetime.date(2026, 1, 2), Decimal("1.5"), {2, 1})}}
    assert allowed.arguments_of(form) == {"one": {"a": ["2026-01-02", "1.5", [1, 2]]}}


@pytest.mark.parametrize(
    ("actor", "permission", "words"),
    [
        ("documents.clean", "", "schedulable got 'documents.clean', must be an actor"),
        (print, "", "must be an actor: the function below @dramatiq.actor"),
        (None, "change_project", "is 'change_project', must be a text with the label of an app"),
        (None, 5, "is 5, must be a text"),
    ],
)
def test_what_is_no_actor_or_no_permission_is_refused(broker, actor, permission, words) -> None:
    with pytest.raises(BadOfferError, match=words):
        schedulable(actor or broker.get_actor(CLEAN), permission=permission)
