"""Drawings of lesson 11."""
