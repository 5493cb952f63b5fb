"""Numbers of the alerts that fire."""

from django.db.models import Count

from apps.tasks.models import Alert


def read() -> dict[str, int]:
    """Return the number of alerts that fire, by kind, the silenced ones too."""
    return dict(Alert.objects.firing().order_by().values_list("kind").annotate(Count("pk")))
