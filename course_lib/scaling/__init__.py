"""Lesson 09: training and scoring on more than one machine."""
