from django.apps import AppConfig


class DocumentsConfig(AppConfig):
    name = "apps.documents"
    label = "documents"
    verbose_name = "Documents"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Tell projects, which know nothing of documents, how to ask for those of a project."""
        from apps.documents.services.project_documents import CONTENTS
        from apps.projects import contents

        contents.register(CONTENTS)
