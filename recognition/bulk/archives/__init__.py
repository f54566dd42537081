"""Archives as files: their pieces read as one, what is wrong with a ZIP, and what it holds."""
