"""What adopt decides."""
