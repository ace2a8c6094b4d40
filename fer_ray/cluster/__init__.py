"""Where it runs: thin layers of Ray over the rooms below."""
