"""Pictures of the tasks."""
