"""Pages of the console: one file a page, beside one template in `recsys/web/console/templates/`."""
