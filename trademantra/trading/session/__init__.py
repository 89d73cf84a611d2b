"""A strategy's session at the desk: live, on paper or replayed; what it recorded, and the proof that a back-test agrees."""
