"""Analysis of a text. Pure functions of text: no database, no Django.

They take text as `newlines.normalised` returns it. Places in it are offsets in characters.
"""
