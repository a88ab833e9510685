"""From a body to items and links."""
