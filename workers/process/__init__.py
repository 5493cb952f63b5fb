"""The inside of one worker process."""
