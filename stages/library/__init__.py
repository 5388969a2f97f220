"""Libraries of drawings: what detector and generator learn from, and are judged by."""
