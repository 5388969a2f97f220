"""Reads drawings and pictures that others have annotated with 2D joints, as the 16 joints of ours."""
