"""The widgets all windows share. Texts are `Phrase` or `str`; every control has an accessible name.

labels.py    Heading, Body, Quiet, Mono, Elided      buttons.py   Button, Role, IconButton
pill.py      Pill                                    card.py      Card, Line
bar.py       StackedBar, Segment, Pattern            empty.py     EmptyState
banner.py    Banner                                  progress.py  Spinner, Progress
sizes.py     size_text, rate_text, seconds_text (pure)
"""
