"""A URL sets the storage of files."""

import subprocess
from importlib.util import find_spec

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import storages

from aiWriting import file_storage
from apps.core.database_storage import DatabaseStorage
from tests.commands import environment, manage


def test_files_are_kept_in_the_database_by_default() -> None:
    assert isinstance(storages["manuscripts"], DatabaseStorage)
    assert isinstance(storages["reports"], DatabaseStorage)
    assert settings.FILE_STORAGE_URL == "database:"


@pytest.mark.parametrize("url", ["/var/files", "ftp://x/y", "x"])
def test_an_unknown_kind_of_store_is_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="FILES must begin with one of: database:, s3://"):
        file_storage.backend(url, name="FILES")


def with_packages(monkeypatch: pytest.MonkeyPatch, present: bool) -> None:
    monkeypatch.setattr(file_storage, "find_spec", lambda name: object() if present else None)


def test_a_store_that_speaks_s3_is_found_by_its_url(monkeypatch: pytest.MonkeyPatch) -> None:
    with_packages(monkeypatch, True)
    url = "s3://me:se%2Fcret@My-bucket/some/folder?region=eu-1&endpoint=https://s3.example.org&addressing=path"
    backend = file_storage.backend(url, name="FILES")
    assert backend["BACKEND"] == "storages.backends.s3.S3Storage"
    assert backend["OPTIONS"] == {
        "bucket_name": "My-bucket",
        "location": "some/folder",
        "access_key": "me",
        "secret_key": "se/cret",
        "region_name": "eu-1",
        "endpoint_url": "https://s3.example.org",
        "addressing_style": "path",
        "file_overwrite": False,
        "default_acl": None,
        "querystring_auth": True,
    }
    assert "access_key" not in file_storage.backend("s3://bucket", name="FILES")["OPTIONS"]


def test_the_fault_of_an_s3_url_is_named_without_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    with_packages(monkeypatch, True)
    with pytest.raises(ImproperlyConfigured, match="names no bucket"):
        file_storage.backend("s3:///folder", name="FILES")
    with pytest.raises(
        ImproperlyConfigured, match="unknown option, must be one of: region, endpoint, addressing"
    ) as told:
        file_storage.backend("s3://me:secret@bucket?regoin=x", name="FILES")
    assert "secret" not in str(told.value)


def test_missing_packages_are_named_with_the_command_that_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with_packages(monkeypatch, False)
    with pytest.raises(ImproperlyConfigured, match=r"not installed: storages, boto3\. .* -r requirements-s3\.txt"):
        file_storage.backend("s3://bucket", name="FILES")


@pytest.mark.skipif(find_spec("boto3") is not None and find_spec("storages") is not None, reason="they are installed")
def test_a_process_does_not_start_without_them() -> None:
    env = environment(FILE_STORAGE_URL="s3://bucket")
    done = subprocess.run(manage("check"), env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert "FILE_STORAGE_URL is an s3:// URL, which needs packages that are not installed" in done.stderr
