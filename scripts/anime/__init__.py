"""What `scripts/paint_anime.py` paints with: brushes, then sky, land and town.

Two ideas make the pictures one painter's hand. Every color is looked up in a short ramp of flat
tones through the same field of brush dabs, so that each edge between two tones is the edge of a
stroke. And everything that billows (cloud, tree, bush, wood) is one heap of lit balls that grow
smaller balls.

Coordinates are in picture widths, x to the right and y down; pen widths are in final pixels.
"""
