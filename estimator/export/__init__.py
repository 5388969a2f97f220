"""Figures as files that animators open: BVH and glTF 2.0."""
