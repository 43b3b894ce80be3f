"""Agents with far more slots than they were trained with, in episodes far longer."""
