"""A drill: real faults on real processes and real storage, and whether the run came to the same."""
