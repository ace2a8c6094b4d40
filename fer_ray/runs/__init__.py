"""What a run leaves behind: where it is kept, and what makes it complete."""
