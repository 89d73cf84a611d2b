"""Brokers' names of contracts and securities, read and written both ways."""
