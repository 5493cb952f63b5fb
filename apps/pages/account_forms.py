"""The forms of signing in and of a user's account."""

from collections.abc import Iterator
from contextlib import contextmanager
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
WRONG_FIRST_CODE = "That code is wrong. Wait for the next one, and check that the clock of the app is right."
WRONG_CODE = "That code is wrong or was used already. Wait for the next one, or use a recovery code."


class LimitedForm(PlainForm):
    """A form whose attempts are limited. A refusal is shown like a wrong entry, with its sentence."""

    refusal: SignInError | None = None

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Note a refusal of the attempt in the block, and raise its sentence."""
        try:
            yield
        except SignInError as error:
            self.refusal = error
            raise ValidationError(error.sentence) from None


class SignInForm(AuthenticationForm, LimitedForm):
    """The form for name and password."""

    def clean(self) -> dict[str, Any]:
        second_factor.follows(self.request)
        try:
            with self.attempt():
                return super().clean()
        except ValidationError as error:
            # Beside the field that is empty again, which so has the focus.
            self.add_error("password", error)
            return self.cleaned_data


class StaffSignInForm(SignInForm, AdminAuthenticationForm):
    """The form for name and password of staff."""


class CodeField(forms.CharField):
    """A code of an authenticator app, or a recovery code."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput(
            attrs={"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false"}
        )
        super().__init__(max_length=40, widget=widget, **kwargs)


class CodeForm(LimitedForm):
    """The form for the second step of signing in."""

    code = CodeField(label="Code")

    def __init__(self, request: Any = None, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.fields["code"].widget.attrs["autofocus"] = True

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        with self.attempt():
            self.user.otp_device = second_factor.verify(self.user, code)
        if self.user.otp_device is None:
            raise ValidationError(WRONG_CODE)
        return code

    def get_user(self) -> Any:
        return self.user


class FirstCodeForm(LimitedForm):
    """The form that ends the set-up of two-step sign-in. A right code turns it on.

    Parameters:
      confirmed: The app and the recovery codes.
    """

    code = CodeField(label="Code of the app")
    confirmed: tuple[Any, list[str]] | None = None

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        with self.attempt():
            self.confirmed = second_factor.confirm(self.user, code)
        if self.confirmed is None:
            raise ValidationError(WRONG_FIRST_CODE)
        return code


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


class ConfirmForm(LimitedForm):
    """The form for the password of a user who is signed in."""

    password = forms.CharField(
        strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True})
    )

    def __init__(self, *args: Any, request: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request

    def clean_password(self) -> str:
        with self.attempt():
            return checked(self.cleaned_data["password"], request=self.request)


class ChosenPasswordForm(LimitedForm):
    """A form in which a password is chosen. An error names the rule that the password breaks, and is beside it.

    Django lists all rules, and shows errors beside the repeated password.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("new_password1", "new_password2"):
            self.fields[name].help_text = ""
        self.fields["new_password2"].label = "New password, once more"

    def validate_password_for_user(self, user: Any, password_field_name: str = "") -> None:
        parent: Any = super()
        parent.validate_password_for_user(user, "new_password1")


class ChangePasswordForm(ChosenPasswordForm, PasswordChangeForm):
    """The form for a new password, with the current one."""

    def __init__(self, *args: Any, request: Any, **kwargs: Any) -> None:
        super().__init__(request.user, *args, **kwargs)
        self.request = request

    def clean_old_password(self) -> str:
        with self.attempt():
            return checked(self.cleaned_data["old_password"], request=self.request)

    def clean_new_password1(self) -> str:
        password: str = self.cleaned_data["new_password1"]
        if password == self.cleaned_data.get("old_password"):
            raise ValidationError("That is your old password.")
        return password


class NewPasswordForm(ChosenPasswordForm, SetPasswordForm):
    """The form for a new password after a forgotten one."""


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
