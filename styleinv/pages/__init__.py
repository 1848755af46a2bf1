"""The pages that runs leave, each one HTML file that needs no network."""
