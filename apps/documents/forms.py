"""Forms of documents."""

from django import forms
from django.utils.translation import gettext_lazy as _

#: Days for which an expired document is kept, at most.
MOST_DAYS_KEPT = 365


class CleanUpForm(forms.Form):
    """Arguments of a scheduled clean-up."""

    days_kept = forms.IntegerField(
        label=_("Days kept"),
        required=False,
        min_value=0,
        max_value=MOST_DAYS_KEPT,
        initial=0,
        help_text=_("Days for which a document is kept after it has expired. Without a number it is deleted at once."),
    )
