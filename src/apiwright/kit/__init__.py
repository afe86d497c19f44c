"""What a backend imports while it serves; one file per capability."""
