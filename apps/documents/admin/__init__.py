"""The documents' pages in the admin."""

from apps.documents.admin.document import DocumentAdmin

__all__ = ["DocumentAdmin"]
