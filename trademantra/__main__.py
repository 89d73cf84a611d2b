"""`python -m trademantra`."""

from trademantra.cli import main

main()
