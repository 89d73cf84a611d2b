"""Where the prices of a simulated exchange come from: stored bars, ticks, an invented session.  docs/paper.md."""
