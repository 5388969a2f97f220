"""Draws the sketches: the stage, and the drawing renderer behind it."""
