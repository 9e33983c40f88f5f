"""Retrieval: the sentence encoder and the neighbours of a title."""
