from django.apps import AppConfig


class ActingConfig(AppConfig):
    name = "tests.acting"
    label = "acting"
    default_auto_field = "django.db.models.BigAutoField"
