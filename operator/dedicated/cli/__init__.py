"""The command line `dedicated`."""
