"""From a URL to an answer: connections, the guard, bodies, cookies, proxies."""
