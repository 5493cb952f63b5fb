"""Recognise a database that another version of aiWriting migrated."""

from django.apps import apps
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.exceptions import InconsistentMigrationHistory
from django.db.migrations.loader import MigrationLoader


def is_ours(connection: BaseDatabaseWrapper, loader: MigrationLoader) -> bool:
    """Return whether the migrations of this version can go on from those that the database has.

    They cannot if one of our apps has a migration there that this version does not know, or if one was applied before
    another that it depends on here.
    """
    try:
        loader.check_consistent_history(connection)
    except InconsistentMigrationHistory:
        return False
    labels = {config.label for config in apps.get_app_configs() if config.name.startswith("apps.")}
    return not any(key[0] in labels for key in loader.applied_migrations.keys() - loader.disk_migrations.keys())
