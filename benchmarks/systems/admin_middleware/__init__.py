"""django-dramatiq with its AdminMiddleware: a row a task, written by its sender and its worker."""
