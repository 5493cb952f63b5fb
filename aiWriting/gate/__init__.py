"""The outermost layer of the web: what a stranger may cost, before Django sees a request."""
