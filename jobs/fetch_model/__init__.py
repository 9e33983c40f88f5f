"""The job `fetch-model`: a base model from a hub, a folder, S3, or built on the spot."""
