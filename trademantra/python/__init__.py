"""The Python API: what a notebook or a script needs (docs/python.md).  Its names are those of `trademantra` itself."""
