"""Lesson 00's drawings."""
