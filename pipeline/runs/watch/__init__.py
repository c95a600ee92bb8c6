"""A folder that a scanner writes to, watched: slides are analyzed as they come."""
