"""Settings of the test run: those of the product, with nothing read from a `.env` file and nothing kept."""
