"""Lesson 03's drawings."""
