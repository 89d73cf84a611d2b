"""Servers that speak brokers' own protocols over the simulated exchange.  docs/sandbox.md."""
