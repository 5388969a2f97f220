"""Where poses come from: stances and gestures, a learned prior, recordings; and the words for them."""
