"""What every benchmark needs: servers, systems with their senders and workers, marks, and figures."""
