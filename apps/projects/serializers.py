"""Projects as the API tells of them."""

from rest_framework import serializers

from apps.projects.models import Project


class ProjectSerializer(serializers.ModelSerializer[Project]):
    """A project of the user who asks."""

    class Meta:
        model = Project
        fields = ("id", "name", "created_at", "updated_at")
