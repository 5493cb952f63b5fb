"""What a report on a project is made of: its figures, its plots, its pages as HTML and PDF, its mail."""
