"""Live state: what the service and the job may ask of it; a folder per database holds how it is done."""
