"""Whether accounts may trade today: what is looked at before the open, and the gate that asks for it."""
