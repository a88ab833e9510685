"""How times are written: by the day of 24 hours, with seconds."""
