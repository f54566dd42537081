"""Archives as files: read their pieces as one file, check a ZIP, and read its contents."""
