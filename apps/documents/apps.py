from django.apps import AppConfig


class DocumentsConfig(AppConfig):
    name = "apps.documents"
    label = "documents"
    verbose_name = "Documents"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks, and the provider of documents with the reports, which do not import documents."""
        from apps.documents import checks  # noqa: F401 (registers them)
        from apps.documents.services.project_documents import CONTENTS
        from apps.projects import contents

        contents.register(CONTENTS)
