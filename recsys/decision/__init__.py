"""Decisions: what is known of the shopper, who answers, what may be shown, and how several answers become one."""
