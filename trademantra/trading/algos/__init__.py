"""Execution algorithms on the desk's side: the same code for every broker, and they survive a restart."""
