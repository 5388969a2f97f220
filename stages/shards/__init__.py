"""Kept samples as WebDataset shards, and the index of them."""
