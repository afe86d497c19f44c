"""A backend engineer's job for FastAPI: a kit to import, generators, checks."""
