"""The five questions of experiments/verify.py, and what they share."""
