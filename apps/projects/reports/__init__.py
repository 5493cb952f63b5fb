"""The parts of a report on a project: its figures, its plots, its pages as HTML and PDF, and the weekly mail."""
