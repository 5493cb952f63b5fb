"""An app with the actors that our own workers run in the benchmarks."""
