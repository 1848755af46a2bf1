"""Commands: `python -m experiments.NAME --config=CONFIG --config.field=value`."""
