"""Strategies in processes of their own: specified, started, asked, supervised, restored (docs/runner.md)."""
