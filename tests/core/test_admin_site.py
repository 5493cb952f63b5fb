"""The admin as a whole: access, content, and files that its pages load."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from unfold.settings import CONFIG_DEFAULTS

from aiWriting.admin_theme import UNFOLD
from apps.accounts.models import User
from tests import rows
from tests.pages import Page, get

pytestmark = pytest.mark.django_db

SIDEBAR: Any = UNFOLD["SIDEBAR"]

LISTS = [
    "tasks_taskstatus", "tasks_workerprocess", "projects_project", "documents_document", "accounts_user", "auth_group",
    "accounts_apitoken",
]  # fmt: skip
ADDABLE = ["projects_project", "documents_document", "accounts_user", "auth_group"]


def list_of(model: str) -> str:
    return reverse(f"admin:{model}_changelist")


@pytest.fixture
def addresses() -> list[str]:
    """Return the addresses of one page of each kind, all with rows to show."""
    document = rows.document()
    task = rows.task(about=document, error_message="It broke.", traceback="Traceback")
    task.attempts.create(attempt=0, outcome="retry", error_message="It broke.", traceback="x", ended_at=task.run_at)
    worker = rows.worker_process()
    return [
        reverse("admin:index"),
        *(list_of(model) for model in LISTS),
        *(reverse(f"admin:{model}_add") for model in ADDABLE),
        reverse("admin:tasks_taskstatus_change", args=[task.pk]),
        reverse("admin:tasks_workerprocess_change", args=[worker.pk]),
        reverse("admin:documents_document_change", args=[document.pk]),
        reverse("admin:projects_project_change", args=[document.project.pk]),
        reverse("admin:accounts_user_change", args=[document.project.owner.pk]),
        reverse("admin:password_change"),
    ]


# --- Signing in ----------------------------------------------------------------------------------


@pytest.mark.parametrize("model", LISTS)
def test_a_visitor_is_sent_to_the_sign_in_page(client: Client, model: str) -> None:
    response = client.get(list_of(model))

    assert (response.status_code, response.headers["Location"]) == (
        302,
        f"{reverse('admin:login')}?next={list_of(model)}",
    )


@pytest.mark.parametrize("model", LISTS)
def test_a_writer_who_is_not_staff_is_sent_to_the_sign_in_page(client: Client, model: str) -> None:
    client.force_login(User.objects.create_user("jane"))

    response = client.get(list_of(model))

    assert (response.status_code, response.headers["Location"]) == (
        302,
        f"{reverse('admin:login')}?next={list_of(model)}",
    )


@pytest.mark.parametrize("asked_for", ["", "?next=/admin/tasks/taskstatus/"])
def test_signing_in_leads_to_the_admin_or_where_one_wanted_to_go(client: Client, asked_for: str) -> None:
    User.objects.create_superuser("ada", password="engine")

    response = client.post(reverse("admin:login") + asked_for, {"username": "ada", "password": "engine"})

    assert response.status_code == 302
    assert response.headers["Location"] == (asked_for.removeprefix("?next=") or reverse("admin:index"))


def test_a_writer_who_is_not_staff_cannot_sign_in_to_the_admin(client: Client) -> None:
    User.objects.create_user("jane", password="bennet")

    response = client.post(reverse("admin:login"), {"username": "jane", "password": "bennet"})

    assert "Please enter the correct username and password for a staff account" in response.content.decode()
    assert "_auth_user_id" not in client.session


# --- What is there -------------------------------------------------------------------------------


@pytest.mark.parametrize("model", LISTS)
def test_a_list_without_rows_is_a_page_too(admin_client: Client, model: str) -> None:
    assert get(admin_client, list_of(model)).with_attribute("id", "changelist")


def test_every_page_is_there_when_there_are_rows(admin_client: Client, addresses: list[str]) -> None:
    for address in addresses:
        get(admin_client, address)


def test_the_task_pages_of_django_dramatiq_are_not_there(admin_client: Client) -> None:
    admin.autodiscover()
    assert not admin.site.is_registered(apps.get_model("django_dramatiq.Task"))
    assert admin_client.get("/admin/django_dramatiq/task/").status_code == 404
    assert "django_dramatiq" not in get(admin_client, reverse("admin:index")).html


def test_the_side_bar_shows_the_permitted_pages(client: Client) -> None:
    user = User.objects.create_user("rosa", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_taskstatus", "change_document"]))
    client.force_login(user)

    html = get(client, reverse("admin:index")).html

    linked = [model for model in LISTS if f'href="{list_of(model)}"' in html]
    assert linked == ["tasks_taskstatus", "documents_document"]


@pytest.mark.once
def test_each_page_has_the_title_of_its_entry_in_the_side_bar(admin_client: Client) -> None:
    entries = [entry for group in SIDEBAR["navigation"] for entry in group["items"]]
    titles = {}
    for entry in entries:
        html = get(admin_client, str(entry["link"])).html
        heading = Page(f"<h1{html.split('<h1')[1].split('</h1>')[0]}").text
        titles[entry["title"]] = heading.rpartition("chevron_right")[2].strip()
    assert {word: title for word, title in titles.items() if word != title} == {}


# --- What pages load -----------------------------------------------------------------------------


@pytest.mark.once
def test_no_page_loads_anything_from_another_host(admin_client: Client, addresses: list[str]) -> None:
    sign_in = Client().get(reverse("admin:login")).content.decode()
    for page in [Page(sign_in), *(get(admin_client, address) for address in addresses)]:
        assert page.loads
        assert [address for address in page.loads if urlsplit(address).netloc] == []
        styles = "".join(re.findall(r"<style.*?</style>", page.html, re.DOTALL))
        assert not re.search(r"@import|url\(", styles)


@pytest.mark.once
def test_pages_of_our_own_load_no_scripts_of_forms_and_lists(admin_client: Client) -> None:
    task = rows.task(status="failed", cause="c", error_type="E", finished_at=timezone.now())
    names = ["index", "tasks_failures", "tasks_deploy", "tasks_pause_queues", "tasks_pause_actors"]
    question = reverse("admin:tasks_taskstatus_retry", args=[task.pk])
    for address in [*(reverse(f"admin:{name}") for name in names), question]:
        page = get(admin_client, address)
        assert any("tasks/admin" in path for path in page.loads)
        assert not [path for path in page.loads if "/admin/js/" in path], address


@pytest.mark.once
def test_no_page_has_inline_code(admin_client: Client, addresses: list[str]) -> None:
    for address in [reverse("admin:login"), *addresses]:
        page = get(Client() if address == reverse("admin:login") else admin_client, address)
        assert not re.search(r"<script(?![^>]*src=)|<style", page.html), address
        assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")], address


def test_the_style_sheet_has_all_colours_of_the_theme() -> None:
    path = finders.find("aiwriting/admin.css")
    assert isinstance(path, str)
    sheet = Path(path).read_text()
    for name, weights in CONFIG_DEFAULTS["COLORS"].items():
        for weight in weights:
            assert f"--color-{name}-{weight}: " in sheet


@pytest.mark.once
def test_every_static_file_that_a_page_names_exists(admin_client: Client, addresses: list[str]) -> None:
    loads = {load for address in addresses for load in get(admin_client, address).loads}
    static = {load.removeprefix("/static/") for load in loads if load.startswith("/static/")}

    assert {"tasks/admin.css", "tasks/icon.svg"} <= static
    assert [path for path in static if finders.find(path) is None] == []


@pytest.mark.once
def test_no_style_sheet_loads_anything_from_another_host(admin_client: Client, addresses: list[str]) -> None:
    loads = {load for address in addresses for load in get(admin_client, address).loads if load.endswith(".css")}
    for load in loads:
        path = finders.find(load.removeprefix("/static/"))
        assert isinstance(path, str)
        with open(path, encoding="utf-8") as sheet:
            # An XML namespace in an inlined picture is a name, not an address.
            text = sheet.read().replace("http://www.w3.org/2000/svg", "")
        assert re.findall(r"url\(\s*['\"]?(?:https?:)?//[^)]*\)|@import[^;]*//[^;]*;", text) == [], load


def test_the_admin_has_the_pencil_and_the_paper_of_the_writers_pages() -> None:
    sheets = [finders.find(f"{name}.css") for name in ("aiwriting/admin", "pages/page")]
    admin, pages = (Path(str(path)).read_text() for path in sheets)
    for name, colour in (
        ("primary-600", "pencil: #2547c4"),
        ("primary-400", "pencil: #9db1ff"),
        ("base-50", "paper: #fbfbf9"),
        ("base-900", "paper: #14161a"),
    ):
        assert f"--{colour};" in pages
        assert f"--color-{name}: {colour.partition(' ')[2]};" in admin
