"""One file per recipe: `get_config()` returns a `styleinv.config.Config`."""
