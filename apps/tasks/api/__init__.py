"""The JSON API of tasks. It needs Django REST framework; nothing else here does."""
