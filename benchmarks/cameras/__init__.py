"""Network cameras in front of a whole site: how many, how fast, and for how long."""
