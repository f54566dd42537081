"""REST under /api/v1/: views parse, call one service or selector, and answer."""
