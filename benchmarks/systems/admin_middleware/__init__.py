"""django-dramatiq with its AdminMiddleware: a row a task, written by whoever sends or runs it."""
