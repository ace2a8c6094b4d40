"""What a face is and what may be done to it: pure functions on arrays and Arrow tables."""
