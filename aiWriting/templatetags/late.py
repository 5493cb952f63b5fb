"""Scripts that are loaded after the styles of the page, by `aiwriting/late.js`."""

import re

from django import template
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

#: The start of a script that has a file, and would hold up the page.
BLOCKING = re.compile(r"<script(?=[^<>]*\ssrc=)(?![^<>]*\s(?:defer|async|type)\b)")


@register.filter
def late(html: SafeString) -> SafeString:
    """Let the scripts of a part of a page be loaded late, in their order."""
    return mark_safe(BLOCKING.sub('<script type="text/plain" data-late', html))  # noqa: S308 - It was escaped before.
