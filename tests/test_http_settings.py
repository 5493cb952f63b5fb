"""Cookies, HTTPS, and the headers of every kind of answer."""

import json
import subprocess
import sys
from typing import Any

import pytest
from django.test import Client

from aiWriting.environment import BASE_DIR
from apps.accounts.models import User
from tests import rows
from tests.clients import writer

NAMES = (
    "HTTPS", "SECURE_SSL_REDIRECT", "SECURE_HSTS_SECONDS", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE",
    "SESSION_COOKIE_NAME",
)  # fmt: skip
PROGRAM = (
    f"import json; from aiWriting import settings as s; print(json.dumps({{n: getattr(s, n, '') for n in {NAMES}}}))"
)


def read(**variables: str) -> dict[str, Any]:
    environment = {"SECRET_KEY": "x", "PATH": "", **variables}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=BASE_DIR, env=environment, check=True, capture_output=True, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("variables", "is_on"),
    [
        ({}, False),
        ({"ALLOWED_HOSTS": "localhost,127.0.0.1"}, False),
        ({"ALLOWED_HOSTS": "localhost,writing.example.com"}, True),
        ({"ALLOWED_HOSTS": "*"}, True),
        ({"ALLOWED_HOSTS": "writing.example.com", "DEBUG": "yes"}, False),
        ({"ALLOWED_HOSTS": "writing.example.com", "HTTPS": "no"}, False),
        ({"ALLOWED_HOSTS": "writing.example.com", "SECURE_COOKIES": "no"}, False),
        ({"HTTPS": "yes"}, True),
        ({"SECURE_COOKIES": "yes"}, True),
    ],
    ids=str,
)
def test_https_is_on_unless_the_address_is_local(variables: dict[str, str], is_on: bool) -> None:
    found = read(**variables)

    assert [found[name] for name in NAMES[:2] + NAMES[3:5]] == [is_on] * 4
    assert found["SECURE_HSTS_SECONDS"] == (365 * 24 * 3600 if is_on else 0)
    assert found["SESSION_COOKIE_NAME"] == ("__Host-sessionid" if is_on else "")


# --- Over HTTPS ----------------------------------------------------------------------------------


@pytest.fixture
def public(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 100
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"


@pytest.mark.django_db
def test_plain_http_is_redirected_except_for_probes(public: None) -> None:
    for path in ("/", "/sign-in/", "/admin/"):
        answer = Client().get(path)
        assert (answer.status_code, answer.headers["Location"]) == (301, f"https://testserver{path}")
        # Caches keep redirects without the header. An address may have the token of a link.
        assert answer.headers["Cache-Control"] == "private, no-store"
    assert Client().get("/healthz").status_code == 200
    assert Client().get("/readyz").status_code in (200, 503)


@pytest.mark.django_db
def test_a_program_that_forgets_https_is_refused_and_not_redirected(public: None) -> None:
    for path in ("/api/", "/api/projects/", "/api/token/"):
        answer = Client().post(path)
        assert (answer.status_code, answer.headers["Content-Type"]) == (403, "application/json")
        assert "https" in answer.json()["detail"]
        assert answer.headers["Cache-Control"] == "private, no-store"
    assert Client().get("/api/", secure=True).status_code == 401


@pytest.mark.django_db
def test_cookies_are_for_https_and_for_this_host_alone(public: None) -> None:
    User.objects.create_user("jane", password="sense-and-sensibility")
    client = Client()
    client.get("/sign-in/", secure=True)
    answer = client.post("/sign-in/", {"username": "jane", "password": "sense-and-sensibility"}, secure=True)

    assert answer.status_code == 302
    assert answer.headers["Strict-Transport-Security"] == "max-age=100; includeSubDomains"
    assert set(client.cookies) == {"__Host-sessionid", "__Host-csrftoken"}
    for cookie in client.cookies.values():
        assert cookie["secure"]
        assert cookie["httponly"]
        assert (cookie["path"], cookie["domain"], cookie["samesite"]) == ("/", "", "Lax")


# --- Headers -------------------------------------------------------------------------------------

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "post", "head"])
def test_every_answer_has_the_headers_and_is_kept_nowhere(admin_client: Client, method: str) -> None:
    jane = writer("jane")
    document = rows.document()
    api = ["/api/", "/api/projects/", "/api/tasks/nothing/", "/api/nothing/", "/api/token/"]
    pages = ["/", "/sign-in/", "/nothing/", "/account/tokens/", f"/documents/{document.pk}/", "/healthz", "/readyz"]
    admin = ["/admin/", "/admin/login/", "/admin/tasks/taskstatus/", "/admin/jsi18n/", "/admin/nothing/"]
    for client, paths in ((jane, api), (Client(), [*api, *pages, *admin]), (admin_client, [*pages, *admin])):
        for path in paths:
            answer = getattr(client, method)(path)
            found = {name: answer.headers.get(name) for name in HEADERS}
            assert (path, found) == (path, HEADERS)
            assert (path, answer.headers["Cache-Control"]) == (path, "private, no-store")
            assert "camera=()" in answer.headers["Permissions-Policy"]
            policy = answer.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'; script-src ")
            for directive in ("object-src", "base-uri", "frame-ancestors"):
                assert f"{directive} 'none'" in policy
            assert "'unsafe-inline'" not in policy.split("script-src ")[1].split(";")[0]
            assert ("unsafe" in policy) == path.startswith("/admin/")


@pytest.mark.django_db
def test_each_answer_has_a_nonce_of_its_own() -> None:
    policies = {Client().get("/sign-in/").headers["Content-Security-Policy"] for _ in range(3)}

    assert len(policies) == 3


@pytest.mark.django_db
def test_a_host_that_is_not_ours_is_refused_with_the_headers() -> None:
    answer = Client().get("/sign-in/", headers={"Host": "evil.example.com"})

    assert answer.status_code == 400
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.django_db
def test_static_files_may_be_kept() -> None:
    answer = Client().get("/static/pages/page.css")

    assert answer.status_code == 200
    assert b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    answer.close()
    assert "no-store" not in answer.headers["Cache-Control"]
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
