"""What a writer fills in."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from apps.documents.models import Document
from apps.projects.models import Project


class PlainForm(forms.Form):
    """What the page's forms look like: a line of label, field, error; fields of two forms never share an id."""

    template_name = "pages/parts/form.html"
    error_css_class = "wrong"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": ""} | kwargs)


class ProjectForm(PlainForm):
    """The name of a project."""

    name = forms.CharField(max_length=Project._meta.get_field("name").max_length)


class TitleForm(PlainForm):
    """The title of a document."""

    title = forms.CharField(max_length=Document._meta.get_field("title").max_length)


class PasteForm(TitleForm):
    """A document whose text is pasted. Whether it can be read, the service knows."""

    text = forms.CharField(strip=False, widget=forms.Textarea(attrs={"rows": 9, "spellcheck": "false"}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Refused by the service, in words for the writer.
        self.fields["text"].validators = []


class FilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """Any number of files; each is looked at by itself, later."""

    widget = FilesInput

    def clean(self, data: Any, initial: Any = None) -> "list[UploadedFile[Any]]":
        files = data if isinstance(data, list | tuple) else [data]
        return [super(FilesField, self).clean(file, initial) for file in files or [None]]


class UploadForm(PlainForm):
    """Files, each of which becomes a document."""

    chosen = FilesField(allow_empty_file=True, error_messages={"required": "Choose at least one file."})

    @property
    def limit_bytes(self) -> int:
        """How large a file may be."""
        return int(settings.DOCUMENT_MAX_UPLOAD_BYTES)
