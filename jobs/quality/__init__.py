"""Measures of a text: metrics, ROUGE, and the checks that a description must pass."""
