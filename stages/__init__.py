"""What is done to a table of samples on its way from a pose to a shard."""
