"""The sketch generator: a small Stable-Diffusion-format model, its conditions, its training, and how pictures are drawn with it."""
