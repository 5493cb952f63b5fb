"""The server and the secret files that `bin/run` brings along."""
