"""The commands of `leukodiff`, one file each; what a command needs is imported when it runs."""
