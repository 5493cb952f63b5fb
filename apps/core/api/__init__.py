"""The base of the API's views in all apps. It needs Django REST framework."""
