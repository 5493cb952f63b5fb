"""aiWriting's tests. `bin/test` runs them; `tests.plugin` makes their servers."""
