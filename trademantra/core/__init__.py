"""The words that every part of the product uses.  Pure values: nothing here reads, writes or waits."""
