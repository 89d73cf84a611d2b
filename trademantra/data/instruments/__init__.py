"""The instrument master: every contract that any broker ever listed, with the dates of each of its facts."""
