"""What can be found in a text. Pure functions of text: no database, no Django.

They take text as `newlines.normalised` leaves it, and speak of places in it as offsets in characters.
"""
