"""Users with their roles, API keys with their scopes, and the audit log."""
