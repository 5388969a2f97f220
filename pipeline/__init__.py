"""Cuts a recipe into partitions, drives them through the stages and commits what they make, atomically."""
