"""Items that are put while serving, in the spare rows of a catalogue."""
