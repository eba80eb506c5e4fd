"""Lesson 10: what a verdict rests on, and whether the explanation is true."""
