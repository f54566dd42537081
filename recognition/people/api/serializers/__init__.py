"""Serializers of request bodies (…Input) and of answers, for validation and for OpenAPI."""
