"""The pages. Each view asks a service and fills a template."""
