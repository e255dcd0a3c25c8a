"""The console: its sessions, its pages, and what a browser makes of them."""
