"""Signing in and out, and rules that hold for every page."""

import re
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.documents.models import Document
from apps.projects.models import Project
from tests import rows
from tests.pages import Page, get

pytestmark = pytest.mark.django_db
SIGN_IN = {"username": "jane", "password": "sense-and-sensibility"}


@pytest.fixture
def addresses(project: Project) -> list[str]:
    """The addresses of a page of every kind."""
    document = rows.document(project=project, status=Document.Status.FAILED, error_message="It is empty.")
    return [
        "/",
        f"/projects/{project.pk}/",
        f"/projects/{project.pk}/delete/",
        f"/documents/{document.pk}/",
        f"/documents/{document.pk}/delete/",
        "/account/",
        "/account/password/",
        "/account/confirm/",
        "/account/two-step/",
        "/account/tokens/",
    ]


def test_a_visitor_is_led_to_the_sign_in_page_and_back(client: Client, addresses: list[str]) -> None:
    for address in addresses:
        assert client.get(address).headers["Location"] == f"/sign-in/?next={address}"

    response = client.post(f"/sign-in/?next={addresses[1]}", SIGN_IN | {"next": addresses[1]})

    assert (response.status_code, response.headers["Location"]) == (302, addresses[1])


def test_signing_in_leads_to_the_projects(client: Client, jane: User) -> None:
    response = client.post("/sign-in/", SIGN_IN, follow=True)

    assert response.redirect_chain == [("/", 302)]
    assert "<h1>Projects</h1>" in response.content.decode()


def test_signing_in_leads_to_no_other_host(client: Client, jane: User) -> None:
    response = client.post("/sign-in/", SIGN_IN | {"next": "https://example.org/"})

    assert response.headers["Location"] == "/"


def test_a_wrong_password_is_shown_at_the_form_and_the_name_is_kept(client: Client, jane: User) -> None:
    response = client.post("/sign-in/", {"username": "jane", "password": "wrong"})

    page = Page(response.content.decode())
    assert "Please enter a correct username and password" in page.text
    assert page.with_attribute("name", "username")[0]["value"] == "jane"
    assert "autofocus" not in page.with_attribute("name", "username")[0]
    assert page.with_attribute("name", "password")[0]["aria-describedby"] == "id_password_error"
    assert "autofocus" in page.with_attribute("name", "password")[0]
    assert "_auth_user_id" not in client.session


def test_a_user_who_is_signed_in_skips_the_sign_in_page(browser: Client) -> None:
    assert browser.get("/sign-in/").headers["Location"] == "/"


@pytest.mark.parametrize("door", ["/sign-in/", "/sign-in/code/", "/sign-out/", "/admin/login/"])
def test_no_door_leads_to_a_door(browser: Client, jane: User, door: str) -> None:
    User.objects.filter(pk=jane.pk).update(is_staff=True)

    for entered in ("/sign-in/", "/sign-in/code/"):
        for asked in (door, f"{door}?next={door}", f"http://testserver{door}"):
            assert browser.get(entered, {"next": asked}).headers["Location"] == "/"
            assert Client().post(entered.removesuffix("code/"), SIGN_IN | {"next": asked}).headers["Location"] == "/"
    assert browser.get("/admin/login/", {"next": door}).headers["Location"] == "/admin/"


def test_an_address_that_takes_forms_alone_says_so(browser: Client) -> None:
    for path in ("/sign-out/", "/admin/logout/"):
        answer = browser.get(path)

        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST, OPTIONS")
        assert "A button of another page leads here" in answer.content.decode()


def test_signing_out_takes_a_post(browser: Client) -> None:
    assert browser.get("/sign-out/").status_code == 405
    answer = browser.post("/sign-out/")
    assert answer.headers["Location"] == "/sign-in/"
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert browser.get("/").headers["Location"] == "/sign-in/?next=/"


def test_staff_find_the_admin_and_writers_do_not(browser: Client, jane: User) -> None:
    assert reverse("admin:index") not in get(browser, "/").html
    User.objects.filter(pk=jane.pk).update(is_staff=True)
    assert f'href="{reverse("admin:index")}"' in get(browser, "/").html


def test_the_admin_leads_back_to_the_pages(admin_client: Client) -> None:
    assert {"href": "/"}.items() <= get(admin_client, reverse("admin:index")).with_attribute("href", "/")[0].items()


def test_a_writer_at_the_door_of_the_admin_finds_the_way_back(browser: Client) -> None:
    page = get(browser, "/admin/login/")

    assert "You are signed in as jane, who may not see the admin." in page.text
    assert "Back to your projects" in page.text


def test_every_page_loads_our_own_files_and_writes_nothing_inline(browser: Client, addresses: list[str]) -> None:
    for address in addresses:
        response = browser.get(address)
        page = Page(response.content.decode())
        assert page.loads
        assert all(finders.find(load.removeprefix("/static/")) for load in page.loads), page.loads
        policy = response.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert re.search(r"script-src 'nonce-([\w-]+)' 'strict-dynamic'", policy)[1] in page.html  # type: ignore[index]
        assert "no-store" in response.headers["Cache-Control"]
        assert not [attributes for _, attributes in page.elements if "style" in attributes or "onclick" in attributes]
        assert not re.search(r"<script(?![^>]*src=)|<style", page.html)


def test_every_page_has_a_title_a_heading_and_a_skip_link(browser: Client, addresses: list[str]) -> None:
    for address in addresses:
        page = get(browser, address)
        assert re.search(r"<title>\S.* · aiWriting</title>", page.html)
        assert [tag for tag, _ in page.elements].count("h1") == 1
        assert page.with_attribute("href", "#main")
        assert page.with_attribute("id", "main")


def test_every_field_has_a_label_of_its_own(browser: Client, addresses: list[str]) -> None:
    for address in addresses:
        page = get(browser, address)
        fields = [
            str(attributes.get("id"))
            for tag, attributes in page.elements
            if tag in ("input", "select", "textarea") and attributes.get("type") != "hidden"
        ]
        labels = [str(attributes.get("for")) for tag, attributes in page.elements if tag == "label"]
        assert sorted(fields) == sorted(labels)
        ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
        assert len(ids) == len(set(ids))


def test_forms_without_their_token_are_refused_with_a_sentence(jane: User, project: Project) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(jane)

    response = strict.post(f"/projects/{project.pk}/delete/")

    assert response.status_code == 403
    assert "reload the page, and send it again" in response.content.decode()
    assert Project.objects.exists()


def test_a_missing_page_says_so(browser: Client) -> None:
    response = browser.get("/nowhere/")

    assert response.status_code == 404
    assert "There is nothing at this address" in response.content.decode()


def test_a_visitors_form_that_is_larger_than_a_manuscript_is_refused_unread(settings: Any) -> None:
    stranger = Client(enforce_csrf_checks=True)
    stranger.get("/sign-in/")
    kind = "application/x-www-form-urlencoded"

    # Refused by its length, unread.
    length = str(2 * settings.DOCUMENT_MAX_UPLOAD_BYTES)
    response = stranger.post("/sign-in/", b"username=x", content_type=kind, CONTENT_LENGTH=length)

    assert response.status_code == 400
    assert "too large or malformed" in response.content.decode()


def test_a_form_that_is_too_large_says_so(browser: Client, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100

    response = browser.post("/", {"name": "x" * 200}, content_type="application/x-www-form-urlencoded")

    assert response.status_code == 400
    assert "too large or malformed" in response.content.decode()


@pytest.mark.parametrize(
    ("path", "fields", "wrong"),
    [
        ("/account/", {"email": "nowhere"}, "email"),
        ("/account/password/", {"old_password": "no", "new_password1": "a", "new_password2": "a"}, "old_password"),
        ("/account/password/", {"old_password": SIGN_IN["password"], "new_password1": "a"}, "new_password1"),
        ("/account/confirm/", {"password": "no"}, "password"),
        ("/account/two-step/", {"code": "no"}, "code"),
        ("/account/tokens/", {"name": "n", "scope": "read", "days": "9999"}, "days"),
        ("/sign-in/forgotten/", {"email": "nowhere"}, "email"),
        ("/projects/{project}/members/invite/", {"email": "nowhere", "role": "reader"}, "email"),
        ("/projects/{project}/paste/", {"title": "", "text": ""}, "title"),
    ],
)
def test_the_first_wrong_field_has_the_focus_and_its_error(
    browser: Client, project: Project, path: str, fields: dict[str, str], wrong: str
) -> None:
    page = Page(browser.post(path.format(project=project.pk), fields).content.decode())

    (focused,) = [attributes for _, attributes in page.elements if "autofocus" in attributes]
    assert (focused["name"], focused["aria-invalid"]) == (wrong, "true")
    assert page.with_attribute("id", str(focused["aria-describedby"]))[0]["class"] == "error"
