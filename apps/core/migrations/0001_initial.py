import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="StoredFile",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "name",
                    models.CharField(
                        help_text="Name by which the storage finds the file. Written by `DatabaseStorage`.",
                        max_length=255,
                        unique=True,
                    ),
                ),
                (
                    "size_bytes",
                    models.PositiveBigIntegerField(
                        help_text="Size of all chunks together, in bytes. Written by `DatabaseStorage` after the last chunk."
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        auto_now_add=True, help_text="Time of the insert, in UTC. Written once, by Django."
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="StoredChunk",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "position",
                    models.PositiveIntegerField(
                        help_text="Place among the chunks of the file, from 0. Written by `DatabaseStorage`."
                    ),
                ),
                (
                    "content",
                    models.BinaryField(
                        help_text="At most `CHUNK_BYTES` bytes of the file. Written once, by `DatabaseStorage`."
                    ),
                ),
                (
                    "file",
                    models.ForeignKey(
                        db_index=False,
                        help_text="File that the chunk belongs to. Written by `DatabaseStorage`.",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="chunks",
                        to="core.storedfile",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("file", "position"), name="core_storedchunk_position")],
            },
        ),
    ]
