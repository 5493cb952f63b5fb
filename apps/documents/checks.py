"""System checks of documents: whether strangers' files are read as safely as this machine can."""

from collections.abc import Sequence
from typing import Any
from xml.parsers import expat

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from apps.documents.readers import cage

#: Version from which on expat takes a long token piece by piece in linear time.
EXPAT = (2, 6, 0)


@register(Tags.security)
def check_required_cage(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """documents.E001: READER_CAGE is "best", or this machine has all that the cage needs."""
    if settings.READER_CAGE != "required":
        return []
    return [
        Error(
            f"READER_CAGE is 'required', and the cage of the process that reads files needs {sentence}.",
            hint="Run it on a kernel that has both, or set READER_CAGE to best. Every file is refused as it is.",
            id="documents.E001",
        )
        for sentence in cage.missing()
    ]


@register(Tags.security, deploy=True)
def check_cage(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """documents.W001: The cage of the process that reads files is complete (with `--deploy`)."""
    if settings.READER_CAGE == "required":
        return []
    return [
        Warning(
            f"The cage of the process that reads files needs {sentence}.",
            hint="Run it on a kernel that has both, in a container that lets them through. "
            "`python -m apps.documents.readers.probe` shows what is held.",
            id="documents.W001",
        )
        for sentence in cage.missing()
    ]


@register(Tags.security)
def check_expat(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """documents.W002: Python's expat is of version 2.6 or newer."""
    if expat.version_info >= EXPAT:
        return []
    return [
        Warning(
            f"Python's XML parser is {expat.EXPAT_VERSION}, older than 2.6: one long attribute in a file takes the "
            "square of its length in time.",
            hint="Update Python; 3.11.9, 3.12.3 and later have a newer one. "
            "Until then DOCUMENT_MAX_READING_SECONDS ends such a file.",
            id="documents.W002",
        )
    ]
