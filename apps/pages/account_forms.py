"""The forms of signing in and of a user's account."""

from typing import Any

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import authenticate
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm, SetPasswordForm
from django.core.exceptions import ValidationError

from apps.accounts.errors import SignInError
from apps.accounts.models import User
from apps.accounts.second_factor import service as second_factor
from apps.pages.forms import PlainForm

NOT_YOURS = "That is not your password."
WRONG_CODE = "That code is wrong or was used already. Wait for the next one, or use a recovery code."


class SignInForm(AuthenticationForm, PlainForm):
    """The form for name and password. A refusal of the attempt is shown like a wrong password, with its sentence."""

    refusal: SignInError | None = None

    def clean(self) -> dict[str, Any]:
        second_factor.follows(self.request)
        try:
            return super().clean()
        except SignInError as error:
            self.refusal = error
            raise ValidationError(error.sentence) from None


class StaffSignInForm(SignInForm, AdminAuthenticationForm):
    """The form for name and password of staff."""


class CodeField(forms.CharField):
    """A code of an authenticator app, or a recovery code."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput(
            attrs={"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false"}
        )
        super().__init__(max_length=40, widget=widget, **kwargs)


class CodeForm(PlainForm):
    """The form for the second step of signing in."""

    refusal: SignInError | None = None
    code = CodeField(label="Code")

    def __init__(self, request: Any = None, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.fields["code"].widget.attrs["autofocus"] = True

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        try:
            self.user.otp_device = second_factor.verify(self.user, code)
        except SignInError as error:
            self.refusal = error
            raise ValidationError(error.sentence) from None
        if self.user.otp_device is None:
            raise ValidationError(WRONG_CODE)
        return code

    def get_user(self) -> Any:
        return self.user


class FirstCodeForm(PlainForm):
    """The form that ends the set-up of two-step sign-in. The service checks the code."""

    code = CodeField(label="Code of the app")


def checked(password: str, *, request: Any) -> str:
    """Return the password of the user who is signed in. The check is an attempt that counts.

    Raises:
      ValidationError: It is another.
      SignInError: Too many were wrong lately.
    """
    second_factor.follows(request)
    if authenticate(request, username=request.user.get_username(), password=password) != request.user:
        raise ValidationError(NOT_YOURS)
    return password


class ConfirmForm(PlainForm):
    """The form for the password of a user who is signed in."""

    password = forms.CharField(
        strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True})
    )

    def __init__(self, *args: Any, request: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request

    def clean_password(self) -> str:
        return checked(self.cleaned_data["password"], request=self.request)


class ChangePasswordForm(PasswordChangeForm, PlainForm):
    """The form for a new password, with the current one."""

    def __init__(self, *args: Any, request: Any, **kwargs: Any) -> None:
        super().__init__(request.user, *args, **kwargs)
        self.request = request
        _plain(self)

    def clean_old_password(self) -> str:
        return checked(self.cleaned_data["old_password"], request=self.request)


class NewPasswordForm(SetPasswordForm, PlainForm):
    """The form for a new password after a forgotten one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _plain(self)


class ForgottenForm(PlainForm):
    """The address of a user who forgot the password."""

    email = forms.EmailField(
        label="Email address",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email", "autofocus": True}),
    )


class PersonForm(PlainForm, forms.ModelForm):
    """The name and the address of a user."""

    class Meta:
        model = User
        fields = ["first_name", "last_name", "email"]
        widgets = {
            "first_name": forms.TextInput(attrs={"autocomplete": "given-name"}),
            "last_name": forms.TextInput(attrs={"autocomplete": "family-name"}),
            "email": forms.EmailInput(attrs={"autocomplete": "email"}),
        }


def _plain(form: Any) -> None:
    """Leave out Django's list of rules: an error names the rule that a password breaks."""
    form.fields["new_password1"].help_text = ""
    form.fields["new_password2"].help_text = ""
    form.fields["new_password2"].label = "New password, once more"
