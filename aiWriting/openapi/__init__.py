"""The API's description in OpenAPI, made from the views by drf-spectacular."""
