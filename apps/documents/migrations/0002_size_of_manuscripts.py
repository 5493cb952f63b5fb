"""Add the size of its manuscript to each document."""

import logging
from typing import Any

from django.core.files.storage import storages
from django.db import migrations, models
from django.db.models import Exists, OuterRef, Subquery

logger = logging.getLogger(__name__)


class Bytes(models.Func):
    """Size of a text in UTF-8."""

    function = "OCTET_LENGTH"
    output_field = models.BigIntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="LENGTH(CAST(%(expressions)s AS BLOB))", **extra)


def measure(apps: Any, schema_editor: Any) -> None:
    """Measure the manuscripts that are there: pasted texts, files in the database, and files elsewhere one by one."""
    documents = apps.get_model("documents", "Document").objects
    manuscripts = apps.get_model("documents", "Manuscript").objects
    files = apps.get_model("core", "StoredFile").objects
    pasted = manuscripts.filter(document=OuterRef("pk"), file="")
    sizes = pasted.values(size=Bytes("text"))
    documents.filter(manuscript__file="").update(size_bytes=Subquery(sizes))
    stored = files.filter(name=OuterRef("manuscript__file")).values("size_bytes")
    found = documents.filter(Exists(stored)).annotate(stored_bytes=Subquery(stored))
    for document_id, size_bytes in list(found.values_list("pk", "stored_bytes")):
        documents.filter(pk=document_id).update(size_bytes=size_bytes)
    elsewhere = manuscripts.exclude(file="").filter(document__size_bytes=0).values_list("document", "file")
    storage = storages["manuscripts"]
    for document_id, name in elsewhere.iterator():
        try:
            size_bytes = storage.size(name)
        except Exception as error:  # A store's own errors have no common class.
            logger.warning("size of a manuscript is unknown document=%s error=%s", document_id, error)
        else:
            documents.filter(pk=document_id).update(size_bytes=size_bytes)


class Migration(migrations.Migration):
    dependencies = [
        ("documents", "0001_initial"),
        ("core", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="document",
            name="size_bytes",
            field=models.PositiveBigIntegerField(
                db_default=0,
                default=0,
                editable=False,
                help_text="Size of its manuscript in bytes, for the quota of the project's owner. Written when it is made.",
            ),
        ),
        migrations.RunPython(measure, migrations.RunPython.noop, elidable=True),
    ]
