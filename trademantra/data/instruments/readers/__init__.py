"""Brokers' instrument files, each turned into one and the same table of rows (`readers.rows`)."""
