from django.apps import AppConfig

from tests.chaos.clock import mend_sleep


class ChaosConfig(AppConfig):
    name = "tests.chaos"
    label = "chaos"

    def ready(self) -> None:
        mend_sleep()
