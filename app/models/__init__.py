"""What lies on the disk, where nothing runs: the models folder and what is known of its files."""
