"""The strategy library: one file a strategy."""
