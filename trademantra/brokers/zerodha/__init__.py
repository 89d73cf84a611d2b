"""Zerodha by Kite Connect v3 (specs/brokers.md section 1): translate and transport only."""
