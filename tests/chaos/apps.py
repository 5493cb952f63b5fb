from datetime import timedelta

from django.apps import AppConfig

from tests.chaos import clock

clock.take()


class ChaosConfig(AppConfig):
    name = "tests.chaos"
    label = "chaos"

    def ready(self) -> None:
        from apps.tasks.figures import tally

        # A storm ends sooner. No transaction of it is open for longer.
        tally.SETTLE = timedelta(minutes=1)
