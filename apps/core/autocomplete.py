"""Fields of the admin that look their rows up while a user types."""

from typing import Any

from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import ValidationError


class KeyedAutocompleteSelect(AutocompleteSelect):
    """Shows no row for a malformed key. Django's own widget fails on it when the form is shown again."""

    def optgroups(self, name: str, value: Any, attr: Any = None) -> Any:
        return super().optgroups(name, [key for key in value if key and self._is_key(key)], attr)

    def _is_key(self, text: str) -> bool:
        key = self.field.remote_field.get_related_field()
        try:
            key.run_validators(key.to_python(text))
        except (ValidationError, ValueError):
            return False
        return True


class KeyedAutocomplete:
    """A mixin for admins and inlines with `autocomplete_fields`."""

    def formfield_for_foreignkey(self: Any, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", KeyedAutocompleteSelect(db_field, self.admin_site, using=kwargs.get("using")))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)  # type: ignore[misc]
