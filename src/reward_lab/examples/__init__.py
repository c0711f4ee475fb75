"""A preference file that comes with the package, and the program that makes it."""
