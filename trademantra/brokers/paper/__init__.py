"""The simulated exchange: many accounts, one market, a clock that may be a replay's.  docs/paper.md."""
