"""The command line of the offline job."""
