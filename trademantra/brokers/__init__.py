"""Brokers: one folder each, translate and transport only.  `port.py` says what every adapter offers."""
