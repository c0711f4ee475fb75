"""Benchmarks: every number that the READMEs and the lessons quote. `make bench` runs all of them."""
