"""The page on which people keep and reject samples by hand."""
