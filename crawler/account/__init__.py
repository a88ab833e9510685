"""What is told of a crawl: its verdict, what is missing and why, its manners, itself beside another. Reads only."""
