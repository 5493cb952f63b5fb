"""Tokens of an earlier version, which were stored in clear text."""

import importlib

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from apps.accounts.models import ApiToken, User
from tests.accounts.test_tokens import status

pytestmark = pytest.mark.django_db(transaction=True)

take_over = importlib.import_module("apps.accounts.migrations.0003_api_tokens").take_over


def test_earlier_tokens_go_on_working_and_are_in_clear_text_nowhere() -> None:
    old = {User.objects.create_user(name): digit * 40 for name, digit in (("jane", "a"), ("emily", "b"))}
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE authtoken_token (key varchar(40) PRIMARY KEY, user_id bigint NOT NULL)")
        for user, key in old.items():
            cursor.execute("INSERT INTO authtoken_token VALUES (%s, %s)", [key, user.pk])
    MigrationRecorder(connection).record_applied("authtoken", "0001_initial")

    with connection.schema_editor() as editor:
        take_over(apps, editor)

    assert "authtoken_token" not in connection.introspection.table_names()
    assert not any(app == "authtoken" for app, _ in MigrationRecorder(connection).applied_migrations())
    for user, key in old.items():
        assert status(key) == 200
        assert user.api_tokens.get().expires_at
        assert key not in str(list(ApiToken.objects.values()))


def test_a_new_database_has_nothing_to_take_over() -> None:
    with connection.schema_editor() as editor:
        take_over(apps, editor)

    assert not ApiToken.objects.exists()
