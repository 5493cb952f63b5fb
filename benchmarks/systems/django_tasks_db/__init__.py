"""django-tasks-db: Django's Tasks API with rows, which its workers ask for."""
