"""The plotting engine of the writers' pages and of the reports.

A plot is a tuple of marks. `panel` lays marks out on a `scale`; `svg` renders them.
"""
