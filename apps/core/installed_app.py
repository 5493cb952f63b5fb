"""Apps of installed packages, whose code a project cannot change."""

import sysconfig
from pathlib import Path

from django.apps import AppConfig


def is_installed(config: AppConfig) -> bool:
    """Return whether an app is of an installed package."""
    folders = [Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib", "stdlib")]
    return any(Path(config.path).resolve().is_relative_to(folder) for folder in folders)
