"""Market data that can be trusted: stored raw, written atomically, checked, never silently filled."""
