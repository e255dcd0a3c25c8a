"""Live state: all that changes while serving. The files here say what the service and the job may ask; a folder per database holds how it is done."""
