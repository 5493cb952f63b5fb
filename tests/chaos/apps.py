from django.apps import AppConfig

from tests.chaos import clock

clock.take()


class ChaosConfig(AppConfig):
    name = "tests.chaos"
    label = "chaos"
