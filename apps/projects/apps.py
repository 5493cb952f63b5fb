from django.apps import AppConfig


class ProjectsConfig(AppConfig):
    name = "apps.projects"
    label = "projects"
    verbose_name = "Projects"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Let the members of a project see the tasks about it, and its editors cancel them."""
        from apps.projects.models import Project
        from apps.tasks import visibility

        visibility.register(
            Project._meta.label,
            lambda user: Project.objects.visible_to(user),
            may_cancel=lambda user: Project.objects.editable_by(user),
        )
