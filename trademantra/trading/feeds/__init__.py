"""Live prices: the tick hub, bars from ticks, and recordings of both."""
