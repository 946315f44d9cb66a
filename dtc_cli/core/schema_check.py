"""What a document breaks of a JSON Schema (2020-12), told in sentences; in no time where it breaks nothing.

`jsonschema` explains well, and takes a second and more to load beside some packages; a document that is right
never needs it.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import jsonschema_rs

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError


class SchemaCheck:
    """One schema, ready to be asked."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._fast = jsonschema_rs.Draft202012Validator(dict(schema))

    def iter_errors(self, document: Any) -> "Iterator[ValidationError]":
        """Each thing that the document breaks, as `jsonschema` tells it; none for a sound document."""
        if self._is_sound(document):
            return iter(())
        import jsonschema

        return iter(jsonschema.Draft202012Validator(self._schema).iter_errors(document))

    def _is_sound(self, document: Any) -> bool:
        try:
            return bool(self._fast.is_valid(document))
        except (TypeError, ValueError, OverflowError):
            # What YAML knows and JSON does not, such as a key that is a number.
            return False
