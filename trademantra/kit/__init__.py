"""Plumbing that knows no domain: clock, limiter, secrets box."""
