"""What crawls found: whose an item is, whether it is new, the sums of it all, and every way to look through it."""
