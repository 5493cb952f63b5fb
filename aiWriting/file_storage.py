"""Make Django's storage of files from a URL."""

import re
from importlib.util import find_spec
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from aiWriting import environment

SCHEMES = ("database", "s3")
#: The options of an S3 URL, with their names in django-storages.
S3_OPTIONS = {"region": "region_name", "endpoint": "endpoint_url", "addressing": "addressing_style"}
PACKAGES = ("storages", "boto3")
#: Names of buckets, also of old ones and of stores that are not Amazon's.
BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")


def backend(url: str, *, name: str) -> dict[str, Any]:
    """Return an entry of Django's STORAGES.

    Parameters:
      url: `database:`, or `s3://[key:secret@]bucket[/folder][?region=...&endpoint=...&addressing=...]`. A URL
        without a key uses Amazon's usual sources: `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or the machine's.
      name: The variable of the URL, for errors. They do not show the URL, which may hold a password.
    Raises:
      ImproperlyConfigured: The URL is of another kind, or a package for it is missing.
    """
    environment.check_url(name, url, schemes=SCHEMES)
    parts = urlsplit(url)
    if parts.scheme == "database":
        return {"BACKEND": "apps.core.database_storage.DatabaseStorage"}
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        raise ImproperlyConfigured(
            f"{name} is an s3:// URL, which needs packages that are not installed: {', '.join(missing)}. "
            "Install them: pip install -r requirements-s3.txt"
        )
    bucket = parts.netloc.rpartition("@")[2]
    if not BUCKET.fullmatch(bucket):
        raise ImproperlyConfigured(f"{name} names no bucket, must be s3://bucket or s3://key:secret@bucket")
    options: dict[str, Any] = {
        "bucket_name": bucket,
        "location": parts.path.strip("/"),
        # Names are random, so a file that is there already belongs to another row.
        "file_overwrite": False,
        "default_acl": None,
        "querystring_auth": True,
    }
    if parts.username:
        options |= {"access_key": unquote(parts.username), "secret_key": unquote(parts.password or "")}
    for option, value in parse_qsl(parts.query, keep_blank_values=True):
        if option not in S3_OPTIONS:
            raise ImproperlyConfigured(f"{name} has an unknown option, must be one of: {', '.join(S3_OPTIONS)}")
        options[S3_OPTIONS[option]] = value
    return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
