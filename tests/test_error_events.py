"""The settings for Sentry and OpenTelemetry."""

import json
import os
import subprocess
import sys

import pytest

from aiWriting.environment import BASE_DIR
from tests.waiting import PATIENCE_SECONDS

LOADED = "import sys, django; django.setup(); print(*{one.partition('.')[0] for one in sys.modules})"
WITHOUT = "import sys; sys.modules['sentry_sdk'] = None; import django; django.setup()"


def run(program: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "aiWriting.settings", **variables}
    command = [sys.executable, "-c", program]
    return subprocess.run(
        command, cwd=BASE_DIR, env=env, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS
    )


def test_without_a_dsn_nothing_of_sentry_is_loaded() -> None:
    loaded = run(LOADED, SENTRY_DSN="").stdout.split()
    assert "dramatiq" in loaded
    assert "sentry_sdk" not in loaded


@pytest.mark.parametrize(
    ("program", "dsn", "sentence"),
    [
        (LOADED, "no dsn", "SENTRY_DSN cannot be read, must be a DSN such as https://KEY@sentry.example.com/1"),
        (LOADED, "https://sentry.example.com", "SENTRY_DSN cannot be read"),
        (LOADED, "https://key:hush/hush@sentry.example.com/1", "SENTRY_DSN cannot be read"),
        (LOADED, "https://hush@[sentry.example.com/1", "SENTRY_DSN cannot be read"),
        (WITHOUT, "https://key@sentry.example.com/1", "SENTRY_DSN is set, and sentry-sdk is not installed"),
    ],
)
def test_a_dsn_that_cannot_be_used_is_refused(program: str, dsn: str, sentence: str) -> None:
    done = run(program, SENTRY_DSN=dsn)
    assert done.returncode == 1
    assert f"ImproperlyConfigured: {sentence}" in done.stderr.splitlines()[-1]
    assert "hush" not in done.stderr


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("/invitations/hunter2/", "/invitations/<token>/"),
        ("/sign-in/new-password/n/hunter2-n/", "/sign-in/new-password/<uidb64>/<token>/"),
        ("/account/address/hunter2%3A1/", "/account/address/<token>/"),
        ("/api/tasks/7f0f5f0a/", "/api/tasks/<task_id>/"),
        ("/api/documents/12/", "/api/documents/12/"),
        ("/nothing/hunter2/", ""),
    ],
)
def test_an_event_has_no_secret_of_an_address_or_a_header(address: str, shown: str) -> None:
    secret = f"https://example.com{address}?q=hunter2"
    request = {
        "url": secret.partition("?")[0],
        "method": "GET",
        "query_string": "q=hunter2",
        "headers": {"Host": "example.com", "user-agent": "curl", "referer": secret, "x-csrftoken": "hunter2"},
    }
    program = "import json, django, sentry_sdk; django.setup()\n"
    program += f"event = sentry_sdk.get_client().options['before_send']({{'request': {request!r}}}, {{}})\n"
    program += "print(json.dumps(event))"
    done = run(program, SENTRY_DSN="https://key@sentry.example.com/1")
    event = json.loads(done.stdout)
    assert "hunter2" not in done.stdout
    assert event["request"]["headers"] == {"Host": "example.com", "user-agent": "curl"}
    assert event["request"]["method"] == "GET"
    assert event["request"]["url"] == f"https://example.com{shown}"


def test_without_opentelemetry_nothing_of_it_is_loaded() -> None:
    program = "import sys; sys.modules['opentelemetry'] = None\n"
    program += "import importlib.util as u; found = u.find_spec\n"
    program += "u.find_spec = lambda name, package=None: None if name == 'opentelemetry' else found(name, package)\n"
    done = run(program + "import django; django.setup(); import dramatiq; print(dramatiq.get_broker().middleware)")
    assert done.returncode == 0, done.stderr
    assert "Tracing" not in done.stdout
    assert "Progress" in done.stdout
