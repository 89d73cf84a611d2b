"""The desk: strategies and people ask for orders here, and only from here do orders reach a broker (DESIGN section 3)."""
