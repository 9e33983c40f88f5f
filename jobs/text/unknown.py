"""What a model cannot write."""

UNKNOWN = "\ufffd"
"""Stands in a generated text for a sign that the model's tokenizer does not have, such as `Ω` for T5's."""
