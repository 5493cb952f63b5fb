"""An app with one small table, for what a project writes beside its tasks."""
