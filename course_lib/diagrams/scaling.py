"""Drawings of lesson 09."""
