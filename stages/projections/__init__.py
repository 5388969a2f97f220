"""Proportions, camera and every label that follows from them."""
