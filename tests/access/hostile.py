"""Texts of strangers in every row: scripts, other directions, escapes of terminals, and words without an end."""

from typing import Any

from django.apps import apps
from django.db import models

SCRIPT = "<script>alert(1)</script>"
TEXT = (
    f"{SCRIPT}\"'><img src=x onerror=alert(2)>{{{{ 7*7 }}}}\u202eevil\x1b[31m\x07\U0001f600\r\nBcc: eve@example.com, "
)
#: Columns by which the code finds rows, or that it made and checks itself.
KEPT = {
    "broker_id", "cause", "cron", "declared_cron", "declared_rate_limit", "digest", "door", "email", "encoding",
    "filename", "host", "kind", "language", "last_line", "line", "lines", "mail_to", "outcome", "parent_id", "password",
    "process_started", "rate_limit", "related_object_type", "remedy", "role", "sentence", "status", "target", "task_id",
    "time_zone", "token_hash", "verb", "waits_for", "webhook",
}  # fmt: skip
#: JSON whose form the code reads. The others are replaced as a whole.
FORMED = {
    "callbacks", "frames", "keywords", "longest_sentences", "queues", "readings", "repeated_phrases", "runs", "waits",
}  # fmt: skip


def fill(length: int) -> list[str]:
    """Write a hostile text of this length to each free text of each row. Return the names of the columns."""
    text = TEXT + "x" * (length - len(TEXT))
    written = []
    for model in apps.get_models():
        if not model.__module__.startswith("apps.") or model.__name__ == "StoredFile":
            continue
        for field in model._meta.concrete_fields:
            if field.name in KEPT or field.choices or field.primary_key:
                continue
            kind = field.get_internal_type()
            if kind == "JSONField":
                _fill_json(model, field, text)
            elif kind in ("CharField", "TextField", "SlugField"):
                _fill_text(model, field, text)
            else:
                continue
            written.append(f"{model._meta.label}.{field.name}")
    return written


def _fill_text(model: type[models.Model], field: Any, text: str) -> None:
    rows = model._default_manager.exclude(**{field.name: ""})
    if field.unique or any(field.name in one.fields for one in model._meta.constraints if hasattr(one, "fields")):
        for pk in rows.values_list("pk", flat=True):
            model._default_manager.filter(pk=pk).update(**{field.name: f"{text[: (field.max_length or 900) - 40]}{pk}"})
    else:
        rows.update(**{field.name: text[: field.max_length or len(text)]})


def _fill_json(model: type[models.Model], field: Any, text: str) -> None:
    for row in model._default_manager.all():
        value = getattr(row, field.name)
        if value:
            new = _formed(value, text) if field.name in FORMED else {text: [text, {text: 1}]}
            model._default_manager.filter(pk=row.pk).update(**{field.name: [text] if field.name == "args" else new})


def _formed(value: Any, text: str) -> Any:
    if isinstance(value, str):
        return text
    if isinstance(value, list):
        return [_formed(one, text) for one in value]
    if isinstance(value, dict):
        return {name: _formed(one, text) for name, one in value.items()}
    return value
