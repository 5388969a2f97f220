"""The eyes of the pipeline: find the figure of a drawing, tell the drawing's style, read its 16 joints."""
