"""Drawings of lesson 10."""
