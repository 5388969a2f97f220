"""Where poses come from: joint ranges, stances and gestures, and the words for them."""
