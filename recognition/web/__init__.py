"""What the edges of the site share: errors, transactions, identifiers, API and page bases."""
