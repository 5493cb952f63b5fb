from django.apps import AppConfig


class NotesConfig(AppConfig):
    name = "benchmarks.notes"
    label = "benchmarks_notes"
    default_auto_field = "django.db.models.BigAutoField"
