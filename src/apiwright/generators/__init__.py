"""What writes code: one file per generator, and the reference app they copy from."""
