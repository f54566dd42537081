"""Code shared by all apps: errors, transactions, leases, ids, and bases of REST and of pages."""
