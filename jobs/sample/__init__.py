"""A generated catalogue of invented products whose facts are known."""
