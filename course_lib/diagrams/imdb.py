"""Lesson 02's drawings."""
