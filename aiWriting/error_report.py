"""Reports of errors, on the page of DEBUG or in a mail to administrators."""

import re

from django.views.debug import SafeExceptionReporterFilter


class SecretsFilter(SafeExceptionReporterFilter):
    """Django's filter, which also hides the URLs that hold passwords."""

    hidden_settings = re.compile(
        rf"{SafeExceptionReporterFilter.hidden_settings.pattern}|(DATABASE|REDIS|STORAGE)_URL|^url$", re.IGNORECASE
    )
