"""What a network is asked to get right.

Every term is a mean over samples, so that ranks of a distributed training average to what one alone would find. Every term is 0 at
the truth, except `heat`, a negative log-likelihood; `camera` and `reprojection`, which see weak perspective only; `parallel`, which
holds the body's bones against drawn ones; and `shape_size`, a prior on betas.
"""
