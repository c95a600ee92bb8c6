"""The review without HTTP: slides, views, jobs, pictures, reviewed reports."""
