"""Views, in one file for each kind of resource."""
