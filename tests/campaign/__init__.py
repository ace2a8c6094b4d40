"""A campaign: kill at a random moment, go on, and compare, again and again."""
