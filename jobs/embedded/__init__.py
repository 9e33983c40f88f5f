"""Postgres and S3 for one machine: the real servers, from pip packages, with nothing to install or configure."""
