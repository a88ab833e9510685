"""A spider's document: read into frozen values, judged, and written back."""
