"""A third party's app, which knows Django's Tasks API and nothing of this project."""
