"""skuscribe: teach FLAN-T5 to describe a product from its title, shard after shard, as Kubernetes Jobs."""

__version__ = "0.1.0"
