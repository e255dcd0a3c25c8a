"""Parts of the page of campaigns: its form, its preview, its words."""
