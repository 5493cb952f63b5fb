# A manuscript may be a file.

import django.db.models.manager
from django.db import migrations, models

import apps.core.owned_file
import apps.documents.models


class Migration(migrations.Migration):
    dependencies = [
        ("documents", "0001_initial"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="manuscript",
            options={"base_manager_name": "without_text"},
        ),
        migrations.AlterModelManagers(
            name="manuscript",
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("without_text", django.db.models.manager.Manager()),
            ],
        ),
        migrations.AddField(
            model_name="manuscript",
            name="file",
            field=apps.core.owned_file.OwnedFileField(
                blank=True,
                help_text="As it was uploaded. Empty: pasted.",
                storage=apps.documents.models.manuscript_storage,
                upload_to=apps.documents.models.stored_name,
            ),
        ),
        migrations.AlterField(
            model_name="manuscript",
            name="text",
            field=models.TextField(
                blank=True, help_text="As it was pasted. Empty: it is read from the file each time it is processed."
            ),
        ),
    ]
