"""The job `match`: learn from the catalogue which texts fit which titles."""
