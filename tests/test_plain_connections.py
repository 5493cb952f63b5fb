"""Warnings of connections without encryption to hosts outside."""

import ssl
from typing import Any

import pytest
from django import conf
from django.core.mail.backends.smtp import EmailBackend

from aiWriting.checks import check_connections
from aiWriting.plain_connections import is_inside

pytestmark = pytest.mark.once

POSTGRESQL = "django.db.backends.postgresql"
WARNING = "aiwriting.W002 The connection to db.example.com is not encrypted for sure."
SMTP = "django.core.mail.backends.smtp.EmailBackend"


@pytest.fixture(autouse=True)
def inside(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGSSLMODE", raising=False)
    # The setting itself: connections of other tests keep theirs.
    monkeypatch.setitem(settings.DATABASES, "default", {"ENGINE": POSTGRESQL, "HOST": "db"})
    settings.REDIS_URL = "redis://redis:6379/0"
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = SMTP, "localhost"
    settings.STORAGES = {"default": {"BACKEND": "x"}}


def warned() -> list[str]:
    return [f"{warning.id} {warning.msg} {warning.hint}" for warning in check_connections()]


def set_database(monkeypatch: pytest.MonkeyPatch, **options: str) -> None:
    found = {"ENGINE": POSTGRESQL, "HOST": "db.example.com", "OPTIONS": options}
    monkeypatch.setitem(conf.settings.DATABASES, "default", found)


def store(endpoint: str) -> dict[str, Any]:
    return {name: {"BACKEND": "x", "OPTIONS": {"endpoint_url": endpoint}} for name in ("manuscripts", "reports")}


@pytest.mark.parametrize(
    ("name", "plain", "encrypted", "variable"),
    [
        ("REDIS_URL", "redis://x:hush@db.example.com", "rediss://x:hush@db.example.com", "REDIS_URL=rediss://"),
        ("EMAIL_HOST", "db.example.com", "mail.internal", "EMAIL_USE_TLS=yes"),
        ("STORAGES", store("http://db.example.com:9000"), store("https://db.example.com"), "endpoint=https://"),
    ],
)
def test_a_connection_to_a_host_outside_is_encrypted_or_warned_of(
    settings: Any, name: str, plain: Any, encrypted: Any, variable: str
) -> None:
    assert warned() == []
    setattr(settings, name, plain)
    (warning,) = warned()
    assert warning.startswith(WARNING)
    assert variable in warning
    assert "hush" not in warning
    setattr(settings, name, encrypted)
    assert warned() == []


@pytest.mark.parametrize("switch", ["EMAIL_USE_TLS", "EMAIL_USE_SSL"])
def test_mail_is_encrypted_in_either_way(settings: Any, switch: str) -> None:
    settings.EMAIL_HOST = "mail.example.com"
    setattr(settings, switch, True)
    assert warned() == []


def test_the_certificate_of_a_mail_server_is_checked() -> None:
    context = EmailBackend(host="mail.example.com", use_tls=True).ssl_context
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_mail_backend_of_another_kind_has_no_host(settings: Any) -> None:
    settings.EMAIL_HOST, settings.EMAIL_BACKEND = "mail.example.com", "django.core.mail.backends.console.EmailBackend"
    assert warned() == []


@pytest.mark.parametrize("mode", ["", "disable", "allow", "prefer"])
def test_a_database_outside_is_encrypted_or_warned_of(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    set_database(monkeypatch, **({"sslmode": mode} if mode else {}))
    (warning,) = warned()
    assert warning.startswith(WARNING)
    assert "PGSSLMODE=verify-full" in warning
    for sure in ("require", "verify-ca", "verify-full"):
        set_database(monkeypatch, sslmode=sure)
        assert warned() == []


def test_the_variable_of_postgresql_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    set_database(monkeypatch)
    monkeypatch.setenv("PGSSLMODE", "require")
    assert warned() == []


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "db", "10.0.0.7", "127.0.0.1", "192.168.1.2", "::1", "[fd00::1]", "fe80::1%eth0", "db.internal",
        "aiwriting.default.svc.cluster.local", "db.default.svc", "printer.local.", "/var/run/postgresql",
    ],
)  # fmt: skip
def test_a_host_inside_is_known(host: str) -> None:
    assert is_inside(host)


@pytest.mark.parametrize("host", ["db.example.com", "1.1.1.1", "2606:4700::1", "internal.example.com"])
def test_a_host_outside_is_known(host: str) -> None:
    assert not is_inside(host)
