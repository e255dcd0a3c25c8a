"""What the page of campaigns is made of: its form, its preview and its words."""
