"""Redis as the fast wire: messages, queues, scripts and the senders' connections."""
