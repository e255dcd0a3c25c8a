"""Answers looked into: why an item is shown, what is known of a shopper, an old answer made again."""
