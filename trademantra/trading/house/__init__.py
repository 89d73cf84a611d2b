"""The running desk: one process, its accounts, their markets and strategies, in real time (docs/desk.md)."""
