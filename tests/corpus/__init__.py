"""Broken inputs of every kind, made from a seed: none may crash, hang or be taken for a face."""
