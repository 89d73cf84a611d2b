"""Indicators: one kernel each, for batch, tiles and live updates alike."""
