"""The pages. A view calls a service and fills a template."""
