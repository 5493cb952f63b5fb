"""A Django project with nothing but Django's own admin around the tasks."""
