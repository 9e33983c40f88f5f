"""The store: artifacts, catalogues and runs in S3; readers of input files."""
