"""Django's back end for SQLite, whose transactions begin as soon as the one before has ended."""
