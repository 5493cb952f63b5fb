"""An app whose actors the tests send to real worker processes."""
