"""Events: one for each visit; review, search, retention."""
