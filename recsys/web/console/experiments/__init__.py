"""Parts of the page of experiments: its form, its words, its drawing."""
