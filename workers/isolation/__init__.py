"""Tasks that run in a process of their own, which can be ended without harm to the worker process.

    worker process ── server (Django is loaded, no connection was ever opened)
                         └── keeper (one for each task: watches the limits, ends what the task leaves behind)
                                └── child (runs the actor's function)

The worker's thread has the task: it claims, retries and settles it as always. Only the function runs elsewhere.
"""
