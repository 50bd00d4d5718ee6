"""Models on the disk: the models folder and what is known about its files. Nothing runs here."""
