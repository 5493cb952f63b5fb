"""The database's settings, read from the environment by a process of its own."""

import json
import subprocess
import sys
from typing import Any

import pytest

from aiWriting.environment import BASE_DIR
from apps.core.connections import POSTGRESQL_OPTIONS

PROGRAM = "import json; from aiWriting import settings; print(json.dumps(settings.DATABASES['default']))"


def database(**variables: str) -> dict[str, Any]:
    environment = {"SECRET_KEY": "x", "PATH": "", **variables}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=BASE_DIR, env=environment, check=True, capture_output=True, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    "url", ["postgresql://hush", "postgres://me:hush@host/", "postgresql://me:hush@host/?sslmode=require"]
)
def test_a_url_without_the_name_of_a_database_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        database(DATABASE_URL=url)

    assert "DATABASE_URL names no database" in caught.value.stderr
    assert "hush" not in caught.value.stderr


def test_postgresql_has_time_limits_unless_the_url_names_others() -> None:
    assert database(DATABASE_URL="postgresql://localhost/db")["OPTIONS"] == POSTGRESQL_OPTIONS
    named = database(DATABASE_URL="postgresql://localhost/db?tcp_user_timeout=5000&keepalives=0&sslmode=require")
    others = {"tcp_user_timeout": 5000, "keepalives": 0, "sslmode": "require"}
    assert named["OPTIONS"] == {**POSTGRESQL_OPTIONS, **others}


@pytest.mark.parametrize(
    ("variables", "is_disabled"),
    [
        ({}, False),
        ({"DATABASE_PREPARED_STATEMENTS": "no"}, True),
        ({"DATABASE_DISABLE_SERVER_SIDE_CURSORS": "yes"}, True),
        ({"DATABASE_PREPARED_STATEMENTS": "no", "DATABASE_DISABLE_SERVER_SIDE_CURSORS": "no"}, False),
    ],
)
def test_server_side_cursors_are_off_without_prepared_statements(variables, is_disabled) -> None:
    found = database(DATABASE_URL="postgresql://localhost/db", **variables)
    assert found["DISABLE_SERVER_SIDE_CURSORS"] is is_disabled
