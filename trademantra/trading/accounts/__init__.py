"""The accounts of the desk: which broker, paper or live, which limits, and where their secrets are."""
