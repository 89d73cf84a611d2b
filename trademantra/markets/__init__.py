"""Dated facts of the markets, each with a source; a date that no row covers is an error, never a guess."""
