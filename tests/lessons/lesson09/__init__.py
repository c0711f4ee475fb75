"""Tests of lesson 9."""
