"""The command `audit`: people judge a sample of a batch."""
