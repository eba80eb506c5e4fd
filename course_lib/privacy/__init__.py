"""Lesson 11: what a model gives away, and how to give away less."""
