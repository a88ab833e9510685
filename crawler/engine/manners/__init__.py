"""How hosts are treated: slots, robots.txt, throttle, budgets, and the account of it."""
