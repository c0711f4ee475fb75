"""Tests of lesson 07."""
