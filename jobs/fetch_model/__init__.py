"""The job `fetch-model`: store a base model from a hub, a folder or S3, or build a tiny one."""
