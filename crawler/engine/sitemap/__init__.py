"""What sitemaps name: fetched, read as they come, handed to the frontier."""
