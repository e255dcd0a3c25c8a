"""Live state: what the service and the job may ask of it; a folder per database holds its driver and tables."""
