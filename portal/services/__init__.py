"""What a person or a job does: one activity a module. Services never commit."""
