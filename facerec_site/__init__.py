"""The site: settings, URLs, ASGI, health and the `serve` command. No domain logic."""
