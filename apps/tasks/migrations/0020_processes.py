"""Workers, relays and schedulers are processes, as their page says. The tables stay as they are."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("tasks", "0019_indexes_of_states")]

    operations = [
        migrations.AlterModelOptions(
            name="workerprocess",
            options={"ordering": ["-started_at"], "verbose_name": "process", "verbose_name_plural": "processes"},
        ),
    ]
