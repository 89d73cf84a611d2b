"""Import of market data from files: recognise, show, check every row, and only then store."""
