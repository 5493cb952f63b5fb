"""The form for a new document."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextareaWidget

from apps.accounts.quotas.errors import QuotaError
from apps.documents.models import Document
from apps.documents.readers.errors import UnreadableTextError
from apps.documents.services import manuscripts, room
from apps.documents.services.document_service import DocumentService


class DocumentAddForm(forms.ModelForm):
    """A new document with a pasted text."""

    text = forms.CharField(
        strip=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 16}), help_text="The manuscript, pasted."
    )

    class Meta:
        model = Document
        fields = ("project", "title", "expires_at")

    def clean_text(self) -> str:
        try:
            return manuscripts.pasted(self.cleaned_data["text"])
        except UnreadableTextError as error:
            raise ValidationError(str(error)) from None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if "project" in cleaned and "text" in cleaned:
            try:
                # The admin's transaction holds the room until the document is there.
                room.reserve(cleaned["project"], size_bytes=len(cleaned["text"].encode()), sender_id=None)
            except QuotaError as error:
                self.add_error("text", str(error))
        return cleaned

    def save(self, commit: bool = True) -> Document:
        return DocumentService.create(**self.cleaned_data)

    def save_m2m(self) -> None:
        """Do nothing. The admin calls it after `save`, and no field needs it."""
