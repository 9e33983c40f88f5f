"""What jobs meet in: artifacts in S3, catalogues and runs among them."""
