"""The bodies of errors in the description. The settings name them, so nothing of Django is imported here."""

from typing import Any

ERROR: dict[str, Any] = {"$ref": "#/components/schemas/Error"}
ERROR_OF_FIELDS: dict[str, Any] = {"oneOf": [ERROR, {"$ref": "#/components/schemas/FieldErrors"}]}
#: Schemas of the two.
COMPONENTS = {
    "schemas": {
        "Error": {
            "type": "object",
            "description": "An error that is not about a field.",
            "properties": {"detail": {"type": "string", "description": "A sentence for people."}},
            "required": ["detail"],
            "additionalProperties": False,
        },
        "FieldErrors": {
            "type": "object",
            "description": "Sentences about the fields by their names. `non_field_errors` are about all of them.",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
            "minProperties": 1,
        },
    }
}
