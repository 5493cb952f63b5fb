from django.apps import AppConfig


class ActingConfig(AppConfig):
    name = "benchmarks.acting"
    label = "benchmarks_acting"
