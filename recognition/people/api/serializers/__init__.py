"""What bodies must hold (…Input) and what answers hold, for checking and for the schema."""
