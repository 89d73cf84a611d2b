"""Orders that people place by hand, through the desk that runs their account."""
