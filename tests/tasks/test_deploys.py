"""Deploys are recorded once, by the first process of another version."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from apps.tasks import code_version, deploys
from apps.tasks.models import Deploy
from tests import rows
from tests.at_once import at_once

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def versions() -> list[str]:
    """Return the versions of the deploys, the first one first."""
    return list(Deploy.objects.order_by("number").values_list("version", flat=True))


@pytest.mark.django_db(transaction=True)
def test_processes_that_start_together_record_one_deploy() -> None:
    deploys.note("v1")
    found = at_once(lambda number: deploys.note("v2"), times=6)
    assert sum(found) == 1
    assert versions() == ["v1", "v2"]


@pytest.mark.django_db
def test_a_version_that_comes_back_is_a_deploy_of_its_own() -> None:
    for version in ("v1", "v1", "v2", "v1", "v1"):
        deploys.note(version)
    assert versions() == ["v1", "v2", "v1"]


@pytest.mark.django_db
def test_a_process_of_the_old_code_that_is_replaced_while_a_deploy_goes_on_is_none() -> None:
    deploys.note("v1")
    rows.worker_process(code_version="v1", started_at=timezone.now() - timedelta(hours=1))
    deploys.note("v2")
    deploys.note("v1")
    assert versions() == ["v1", "v2"]


@pytest.mark.django_db
def test_a_rollback_of_a_deploy_that_was_going_on_is_seen_when_its_processes_are_gone() -> None:
    deploys.note("v1")
    rows.worker_process(code_version="v1", started_at=timezone.now() - timedelta(hours=1))
    fresh = rows.worker_process(code_version="v2")
    deploys.note("v2")
    assert not deploys.look()
    fresh.stopped_at = timezone.now()
    fresh.save()
    assert deploys.look()
    assert not deploys.look()
    assert versions() == ["v1", "v2", "v1"]


@pytest.mark.django_db
def test_a_version_that_is_not_known_is_no_deploy() -> None:
    rows.worker_process()
    assert not deploys.note("")
    assert not deploys.look()
    assert versions() == []


# --- Version of the code ---


@pytest.fixture
def nowhere(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without a checkout, and no platform."""
    for name in code_version.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    settings.CODE_VERSION = ""
    settings.BASE_DIR = tmp_path
    code_version.of_checkout.cache_clear()
    return tmp_path


def test_the_setting_comes_before_the_platform_and_the_checkout(nowhere: Path, settings: Any, monkeypatch) -> None:
    assert code_version.of_this_code() == ""
    (nowhere / ".git").mkdir()
    (nowhere / ".git" / "HEAD").write_text(COMMIT)
    code_version.of_checkout.cache_clear()
    assert code_version.of_this_code() == "0123456789ab"
    monkeypatch.setenv("RENDER_GIT_COMMIT", "f" * 40)
    assert code_version.of_this_code() == "f" * 12
    settings.CODE_VERSION = " 2026.11\n"
    assert code_version.of_this_code() == "2026.11"


@pytest.mark.parametrize("place", ["loose", "packed", "worktree"])
def test_the_commit_of_a_checkout_is_read_from_its_files(nowhere: Path, place: str) -> None:
    git = nowhere / "repository" if place == "worktree" else nowhere / ".git"
    git.mkdir()
    head, own = "ref: refs/heads/main\n", git
    if place == "worktree":
        own = git / "worktrees" / "one"
        own.mkdir(parents=True)
        (own / "commondir").write_text("../..\n")
        (nowhere / ".git").write_text(f"gitdir: {own}\n")
    (own / "HEAD").write_text(head)
    if place == "packed":
        (git / "packed-refs").write_text(f"# pack-refs\n{'a' * 40} refs/heads/other\n{COMMIT} refs/heads/main\n")
    else:
        (git / "refs" / "heads").mkdir(parents=True)
        (git / "refs" / "heads" / "main").write_text(f"{COMMIT}\n")
    assert code_version.of_checkout(nowhere / "") == "0123456789ab"


def test_a_checkout_that_cannot_be_read_has_no_version(nowhere: Path) -> None:
    (nowhere / ".git").mkdir()
    assert code_version.of_this_code() == ""


def test_a_long_version_is_cut_to_fit_its_column(nowhere: Path, settings: Any) -> None:
    settings.CODE_VERSION = "registry.example.com/" + "x" * 200
    assert len(code_version.of_this_code()) == 64
