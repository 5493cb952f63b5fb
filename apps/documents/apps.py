from django.apps import AppConfig


class DocumentsConfig(AppConfig):
    name = "apps.documents"
    label = "documents"
    verbose_name = "Documents"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks, and documents with projects and tasks, which do not import them."""
        from apps.documents import checks  # noqa: F401 (registers them)
        from apps.documents.models import Document
        from apps.documents.services.project_documents import CONTENTS
        from apps.projects import contents
        from apps.tasks import visibility

        contents.register(CONTENTS)
        visibility.register(
            Document._meta.label,
            lambda user: Document.objects.visible_to(user),
            may_cancel=lambda user: Document.objects.editable_by(user),
        )
