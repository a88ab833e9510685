"""The spider workshop: a definition that is being edited, before anything of it is saved."""
