"""A URL with a password that makes no sense is refused without showing any part of it."""

import subprocess
import traceback
from collections.abc import Callable
from typing import Any

import dj_database_url
import pytest
import redis
from django.core.exceptions import ImproperlyConfigured
from django.views.debug import get_default_exception_reporter_filter

from aiWriting import environment, file_storage, reachable
from tests import commands

#: Characters that split a URL, or that Python's splitting drops or refuses, between two halves of a password.
SEPARATORS = ["/", "?", "#", ":", "@", "[", "]", "%", "\\", " ", "\t", "\n", "//", "://", "℀", "1/", "é", "&", "=", "$"]
SHAPES = [
    "{scheme}://me:{password}@host/db",
    "{scheme}://:{password}@host:1/0",
    "{scheme}://me:1{password}@host/db",
    "{scheme}://me:{password}",
    "{scheme}://{password}",
    "{scheme}://me:{password}@host:port/db",
    "{scheme}://me:{password}@host:99999/db",
    "{scheme}://me:{password}@[host/db",
    "{scheme}:/me:{password}@host/db",
    "{scheme}:me:{password}@host/db",
    "{scheme}//me:{password}@host/db",
    "{scheme}://host/db?password={password}@",
    "{scheme}s://me:{password}@host/db",
    "me:{password}@host/db",
    "{password}@host",
    "{password}",
    "{password}://me@host/db",
    "mysql://me:{password}@host/db",
]


def database(url: str) -> Any:
    return dj_database_url.parse(environment.url("SECRET_URL", url, schemes=("sqlite", "postgres", "postgresql")))


def queue(url: str) -> Any:
    checked = environment.url("SECRET_URL", url, schemes=("redis", "rediss", "unix"))
    return redis.ConnectionPool.from_url(environment.with_query(checked, {"ssl_check_hostname": "no"}))


def files(url: str) -> Any:
    return file_storage.backend(url, name="SECRET_URL")


READERS: dict[str, Callable[[str], Any]] = {"postgresql": database, "redis": queue, "s3": files}


@pytest.mark.parametrize("scheme", READERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_no_part_of_a_password_is_in_an_error(scheme: str, shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_storage, "find_spec", lambda name: object())
    for separator in SEPARATORS:
        url = shape.format(scheme=scheme, password=f"hushA{separator}hushB")
        try:
            READERS[scheme](url)
        except ImproperlyConfigured as error:
            shown = "".join(traceback.format_exception(error))
            assert "SECRET_URL" in shown
            assert "hush" not in shown, url


@pytest.mark.parametrize("scheme", READERS)
@pytest.mark.parametrize("separator", ["/", "?", "#", "1/", "1?x=", "1#", "\t"])
def test_a_password_that_was_not_encoded_is_refused_and_not_taken_for_a_name(
    scheme: str, separator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_storage, "find_spec", lambda name: object())
    for start in ("me:", "me:1", ":", ":1"):
        with pytest.raises(ImproperlyConfigured, match="special characters are written as %40 for @"):
            READERS[scheme](f"{scheme}://{start}{separator}hush@host/db")


@pytest.mark.parametrize(
    "value", ["https://", "https://me:hush@host", "https://host/hush", "https://host?hush", "https://host:hush", "hush"]
)
def test_an_origin_with_more_than_scheme_and_host_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_URL", value)
    with pytest.raises(ImproperlyConfigured, match="SECRET_URL") as caught:
        environment.origin("SECRET_URL")

    assert "hush" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("value", ["", "https://writing.example.com", "http://localhost:8000/", "https://[::1]:1"])
def test_an_origin_is_taken(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_URL", value)
    assert environment.origin("SECRET_URL") == value.rstrip("/")


@pytest.mark.parametrize("scheme", READERS)
def test_a_nul_that_would_cut_the_url_off_is_refused(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_storage, "find_spec", lambda name: object())
    with pytest.raises(ImproperlyConfigured, match="cannot be read as a URL"):
        READERS[scheme](f"{scheme}://me:hush%00@host/db")


@pytest.mark.parametrize(
    "url",
    [
        "redis://:hush@host/0?db=hush",
        "redis://:hush@host/0?socket_timeout=hush",
        "redis://:hush@host/0?max_connections=-hush",
        "redis://:hush@host/0?protocol=hush",
        "redis://:hush@host/0?hushed=1",
        "redis://:hush@host/0?ssl_cert_reqs=none",
        "rediss://:hush@host/0?ssl_cert_reqs=hush",
        "unix://:hush@/run/redis.sock?port=6379",
    ],
)
def test_an_option_that_redis_cannot_use_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="REDIS_URL has an option") as caught:
        environment.check_redis_options("REDIS_URL", url)

    assert "hush" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "url", ["redis://h/0?socket_timeout=5&health_check_interval=2", "rediss://h?ssl_cert_reqs=none"]
)
def test_options_of_redis_are_taken(url: str) -> None:
    environment.check_redis_options("REDIS_URL", url)


@pytest.mark.parametrize(
    ("scheme", "url"),
    [
        ("postgresql", "postgresql://me:hu%2Fsh%40@host:5432/db?sslmode=require"),
        ("postgresql", "postgres:///db?host=/run/postgresql"),
        ("postgresql", "postgresql://me:raw@sign@host/db"),
        ("postgresql", "POSTGRES://host/db"),
        ("postgresql", "sqlite:////folder with @ and #/db.sqlite3"),
        ("redis", "redis://:hu%23sh@[::1]:6379/0"),
        ("redis", "unix://:hush@/run/redis.sock?db=1"),
        ("s3", "s3://key:se%2Fcret@bucket/folder?endpoint=https://s3.example.org:9000"),
        ("s3", "database:"),
    ],
)
def test_a_sound_url_is_taken(scheme: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_storage, "find_spec", lambda name: object())
    assert READERS[scheme](url)


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL", "FILE_STORAGE_URL"])
def test_a_command_ends_without_showing_the_password(name: str) -> None:
    scheme = {"DATABASE_URL": "postgresql", "REDIS_URL": "redis", "FILE_STORAGE_URL": "s3"}[name]
    env = commands.environment(**{name: f"{scheme}://me:hush/hush@host/0"})

    done = subprocess.run(commands.manage("check"), env=env, capture_output=True, text=True, timeout=120)

    assert done.returncode != 0
    assert f"{name} cannot be read as a URL" in done.stderr
    assert "hush" not in done.stdout + done.stderr


def test_the_report_of_an_error_hides_the_urls(settings: Any) -> None:
    secret = "redis://:hush@host/0"
    settings.DATABASE_URL = settings.REDIS_URL = settings.FILE_STORAGE_URL = secret
    settings.DRAMATIQ_BROKER = settings.DRAMATIQ_BROKER | {"OPTIONS": {"url": secret}}

    shown = get_default_exception_reporter_filter().get_safe_settings()

    assert "hush" not in str(shown)
    assert shown["STATIC_URL"] == settings.STATIC_URL


def test_the_words_of_a_server_are_shown_without_the_password() -> None:
    for url in ("postgresql://me:hu%2Fsh@host/db", "postgresql://host/db?user=me&password=hu%2Fsh"):
        assert reachable.reason(ValueError("cannot use hu/sh"), url=url) == "cannot use ***"
