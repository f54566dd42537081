"""Pages for people: the live viewer and a place to try a photo."""
