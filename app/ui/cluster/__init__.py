"""The cluster as a picture: each PC a card that hangs on the network's line.

picture.py (pure) says what is to be seen, gauges.py and words.py (pure) parts of it; card.py and canvas.py draw it.
"""
