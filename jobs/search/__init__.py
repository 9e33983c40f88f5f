"""Postgres and pgvector: migrations, vectors, the index, neighbours."""
