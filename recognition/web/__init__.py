"""Shared by all apps: errors, transactions, leases, identifiers, and bases of REST and pages."""
