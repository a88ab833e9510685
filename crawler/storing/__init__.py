"""What a crawl stores, and how: its frontier, pages and items in the database, a checkpoint at a time."""
