"""The probe of `runworker`, which tells a platform whether its worker processes work."""
