"""Lesson 04's drawings."""
