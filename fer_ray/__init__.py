"""Distributed training of facial-expression classifiers on Ray, whose numbers can be believed."""
