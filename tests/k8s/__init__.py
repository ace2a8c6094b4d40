"""Manifests, and what they are held against."""
