"""Text of products: cleaning and markup removal."""
