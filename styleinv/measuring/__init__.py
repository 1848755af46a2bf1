"""The pass over a dataset of any size: read, batch, measure on all devices, add up, go on."""
