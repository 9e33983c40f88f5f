"""Quality of a text: metrics, ROUGE, and the checks of a description."""
