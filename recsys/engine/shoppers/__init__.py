"""Shoppers as a worker remembers them: joined accounts, kept histories, and what each was shown."""
