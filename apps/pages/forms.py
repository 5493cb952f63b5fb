"""The forms that a writer fills in."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile

from apps.accounts.models import ApiToken
from apps.documents.models import Document
from apps.projects.models import MEMBER_ROLES, Invitation, Project, Role


class PlainForm(forms.Form):
    """A form as the pages show it: each field with its label and errors. Forms of a page need different `auto_id`s."""

    template_name = "pages/parts/form.html"
    error_css_class = "wrong"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": ""} | kwargs)

    def get_context(self) -> dict[str, Any]:
        """Return the context of the template. The first wrong field has the focus, so that its error is read out."""
        wrong = next((name for name in self.fields if name in self.errors), None)
        for name, field in self.fields.items() if wrong else ():
            field.widget.attrs["autofocus"] = name == wrong
        return super().get_context()


class ProjectForm(PlainForm):
    """The name of a project."""

    name = forms.CharField(max_length=Project._meta.get_field("name").max_length)


class RoleForm(PlainForm):
    """The role of a member."""

    role = forms.ChoiceField(choices=MEMBER_ROLES)


class InvitationForm(PlainForm):
    """The address to invite, and the role of the new member."""

    email = forms.EmailField(label="Email address", max_length=Invitation._meta.get_field("email").max_length)
    role = forms.ChoiceField(choices=MEMBER_ROLES, initial=Role.EDITOR)

    def __init__(self, *args: Any, own_email: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.own_email = own_email

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        if email.casefold() == self.own_email.casefold():
            raise ValidationError("That is your own address.")
        return email


class TitleForm(PlainForm):
    """The title of a document."""

    title = forms.CharField(max_length=Document._meta.get_field("title").max_length)


class MoveForm(forms.Form):
    """The place to which a document is moved: before another one, or without one at the end."""

    before = forms.IntegerField(required=False)
    page = forms.IntegerField(required=False, max_value=10**6)


class PasteForm(TitleForm):
    """A document whose text is pasted. The service checks whether the text can be read."""

    text = forms.CharField(strip=False, widget=forms.Textarea(attrs={"rows": 9, "spellcheck": "false"}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The service refuses a text in words for the writer.
        self.fields["text"].validators = []


class FilesInput(forms.ClearableFileInput):
    """An input for several files."""

    allow_multiple_selected = True


class FilesField(forms.FileField):
    """Any number of files. The service checks each of them."""

    widget = FilesInput

    def clean(self, data: Any, initial: Any = None) -> "list[UploadedFile[Any]]":
        files = data if isinstance(data, list | tuple) else [data]
        return [super(FilesField, self).clean(file, initial) for file in files or [None]]


class UploadForm(PlainForm):
    """Files, each of which becomes a document."""

    chosen = FilesField(allow_empty_file=True, error_messages={"required": "Choose at least one file."})

    @property
    def limit_bytes(self) -> int:
        """Largest size of a file, in bytes."""
        return int(settings.DOCUMENT_MAX_UPLOAD_BYTES)


class TokenForm(PlainForm):
    """A new API token."""

    name = forms.CharField(max_length=ApiToken._meta.get_field("name").max_length, label="Name of the program")
    scope = forms.ChoiceField(choices=ApiToken.Scope.choices, initial=ApiToken.Scope.READ, label="It may")
    days = forms.IntegerField(min_value=1, label="Days until it expires")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["days"].initial = settings.API_TOKEN_DAYS
        self.fields["days"].widget.attrs["max"] = settings.API_TOKEN_MAX_DAYS
