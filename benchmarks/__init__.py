"""What using this package costs: `make bench`."""
