"""Trade Mantra: write a strategy once; back-test, sweep, paper-trade and run it live."""

__version__ = "0.1.0"
