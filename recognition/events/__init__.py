"""Events, one for each visit: their review, search and retention."""
