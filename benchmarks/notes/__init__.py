"""An app with one small table, for rows that a project writes beside its tasks."""
