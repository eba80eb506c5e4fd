"""Lesson 05's drawings."""
