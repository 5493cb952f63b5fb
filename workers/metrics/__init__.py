"""Figures for Prometheus and autoscalers: `/metrics`, `/scale`, and a port of each process that moves messages.

Needs `prometheus-client`. Nothing else of the workers does.
"""
