"""Look of the admin pages: django-unfold's where it is installed, else that of Django's own admin.

The pages are written once. This module has the classes and elements in which the two differ. Other modules of the admin
import neither Unfold nor its widgets.
"""

from typing import Any

from django import forms
from django.apps import apps
from django.contrib.admin.widgets import AdminIntegerFieldWidget, AdminTextareaWidget, AdminTextInputWidget
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString

HAS_UNFOLD = apps.is_installed("unfold")

if HAS_UNFOLD:
    from unfold.admin import ModelAdmin as BaseModelAdmin
    from unfold.admin import TabularInline
    from unfold.views import ChangeList
    from unfold.widgets import UnfoldAdminIntegerFieldWidget as IntegerInput
    from unfold.widgets import UnfoldAdminSelectWidget as SelectInput
    from unfold.widgets import UnfoldAdminTextareaWidget as Textarea
    from unfold.widgets import UnfoldAdminTextInputWidget as TextInput
    from unfold.widgets import UnfoldBooleanWidget as CheckboxInput
else:
    from django.contrib.admin import ModelAdmin as BaseModelAdmin
    from django.contrib.admin import TabularInline
    from django.contrib.admin.views.main import ChangeList

    CheckboxInput, IntegerInput, SelectInput = forms.CheckboxInput, AdminIntegerFieldWidget, forms.Select
    Textarea, TextInput = AdminTextareaWidget, AdminTextInputWidget

if apps.is_installed("unfold.contrib.filters"):
    from unfold.contrib.filters.admin import ChoicesCheckboxFilter as ChoicesFilter
    from unfold.contrib.filters.admin import DropdownFilter
else:
    from django.contrib.admin import ChoicesFieldListFilter as ChoicesFilter
    from django.contrib.admin import SimpleListFilter as DropdownFilter

__all__ = [
    "HAS_UNFOLD",
    "ChangeList",
    "ChoicesFilter",
    "DropdownFilter",
    "IntegerInput",
    "ModelAdmin",
    "SelectInput",
    "TabularInline",
    "TextInput",
    "Textarea",
    "button",
    "dress",
    "label",
    "template",
]


class ModelAdmin(BaseModelAdmin):  # type: ignore[misc]
    """Base of the pages, with their style sheets."""

    class Media:
        css = {"all": ["tasks/admin.css"] if HAS_UNFOLD else ["tasks/admin.css", "tasks/plain.css"]}

    @property
    def styles(self) -> forms.Media:
        """Media of a page of our own: without Django's scripts for forms and lists, 85 kB compressed."""
        return forms.Media(css=self.media._css)


#: The look of Django's widgets.
DRESSED: dict[type[forms.Widget], Any] = {
    forms.CheckboxInput: CheckboxInput,
    forms.NumberInput: IntegerInput,
    forms.Select: SelectInput,
    forms.TextInput: TextInput,
    forms.Textarea: Textarea,
}


def dress(field: forms.Field) -> None:
    """Give a field of a form that was not made for the admin the look of the admin."""
    if dressed := DRESSED.get(type(field.widget)):
        plain = field.widget
        field.widget = dressed(attrs=plain.attrs | ({"rows": 3} if dressed is Textarea else {}))
        field.widget.is_required = plain.is_required
        if isinstance(field, forms.ChoiceField):
            field.widget.choices = field.choices
        if isinstance(plain, forms.NumberInput):
            # A decimal number has steps of its own.
            field.widget.input_type = "number"


def template(name: str) -> str:
    """Return the path of a template that exists once for each look."""
    return f"tasks/{'unfold' if HAS_UNFOLD else 'plain'}/{name}"


def label(text: Any, *, kind: str) -> SafeString:
    """Return a short text on a coloured ground, such as a state.

    Parameters:
      kind: `default`, `primary`, `info`, `success`, `warning` or `danger`.
    """
    if HAS_UNFOLD:
        return render_to_string("unfold/helpers/label.html", {"text": text, "type": kind})
    return format_html('<span class="task-label" data-kind="{}">{}</span>', kind, text)


def button(title: Any, *, href: str = "", icon: str = "", kind: str = "default") -> SafeString:
    """Return a link that looks like a button or, without `href`, a button that submits its form.

    Parameters:
      icon: Name of a Material symbol. Only Unfold shows it.
      kind: `default`, `primary` or `danger`.
    """
    if HAS_UNFOLD:
        context = {"children": title, "href": href, "submit": not href, "variant": kind, "icon": icon}
        return render_to_string("unfold/components/button.html", context)
    if href:
        return format_html('<a href="{}" class="button task-button" data-kind="{}">{}</a>', href, kind, title)
    return format_html('<button type="submit" class="button task-button" data-kind="{}">{}</button>', kind, title)
