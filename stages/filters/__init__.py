"""Checks that throw sketches away: one file per check, and the stage that runs them."""
