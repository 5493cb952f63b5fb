"""Options of Celery and of other task queues, and what to write here instead.

Each sentence follows the name of the option. An option that this project declares is never looked up.
"""

#: Names that mean the same on an actor and on a message.
_ANYWHERE = {
    "ignore_result": "did you mean store_results=False? The row stays.",
    "soft_time_limit": "did you mean time_limit? It is in milliseconds and raises TimeLimitExceeded in the actor.",
    "timeout": "did you mean time_limit? It is in milliseconds.",
    "job_timeout": "did you mean time_limit? It is in milliseconds.",
    "retries": "did you mean max_retries?",
    "max_attempts": "did you mean max_retries? It does not count the first attempt.",
    "retry_backoff": "did you mean min_backoff? It is in milliseconds, and each wait is about double the one before.",
    "retry_backoff_max": "did you mean max_backoff? It is in milliseconds.",
    "default_retry_delay": "did you mean min_backoff? It is in milliseconds.",
    "retry_delay": "did you mean min_backoff? It is in milliseconds.",
    "retry_jitter": "there is none, since waits always have jitter. min_backoff sets them.",
    "retry_kwargs": "did you mean max_retries, min_backoff and max_backoff?",
    "link": "did you mean on_success?",
    "link_error": "did you mean on_retry_exhausted? on_failure is called after every failed attempt.",
    "on_error": "did you mean on_retry_exhausted? on_failure is called after every failed attempt.",
    "ttl": "did you mean expires? It is a timedelta.",
    "serializer": "there is none. Arguments and results are JSON.",
    "compression": "there is none. Store large data and send its id.",
    "acks_late": "there is none, since a message is always acked after its outcome is committed.",
    "headers": "there is none. Pass an argument, or declare it as message_options of a middleware.",
    "meta": "there is none. Pass an argument, or declare it as message_options of a middleware.",
    "owner": "did you mean owner_id?",
    "user": "did you mean owner_id?",
    "user_id": "did you mean owner_id?",
}

_QUEUE = "the queue belongs on the actor: @dramatiq.actor(queue_name=...)."
_NO_TREE = "there is none. dramatiq.group and dramatiq.pipeline keep what belongs together."
_SET_BY_WORKERS = "workers set it. It cannot be sent."

ON_A_MESSAGE = _ANYWHERE | {
    "countdown": "did you mean delay? It takes milliseconds or a timedelta.",
    "defer_by": "did you mean delay? It takes milliseconds or a timedelta.",
    "wait": "did you mean delay? It takes milliseconds or a timedelta.",
    "at": "did you mean eta? It is an aware datetime.",
    "run_at": "did you mean eta? It is an aware datetime.",
    "run_after": "did you mean eta? It is an aware datetime.",
    "scheduled_at": "did you mean eta? It is an aware datetime.",
    "defer_until": "did you mean eta? It is an aware datetime.",
    "expires_at": "did you mean expires? It is an aware datetime or a timedelta.",
    "task_id": "did you mean message_id?",
    "job_id": "did you mean message_id?",
    "id": "did you mean message_id?",
    "idempotency_key": "did you mean message_id?",
    "queue": _QUEUE,
    "queue_name": _QUEUE,
    "routing_key": _QUEUE,
    "exchange": _QUEUE,
    "broker_priority": "it is RabbitMQ's. priority is the option here, and lower is more urgent.",
    "actor_name": "it belongs on the actor. Call send_with_options of the actor that is to run.",
    "task_name": "it belongs on the actor. Call send_with_options of the actor that is to run.",
    "shadow": "there is none. The row shows the actor's name.",
    "retry": "there is none. The send is a row in your transaction, and the relay publishes it when Redis is back.",
    "retry_policy": "there is none. The send is a row in your transaction, and the relay publishes it when Redis is "
    "back. max_retries, min_backoff and max_backoff are about the task.",
    "connection": "there is none. The settings name the broker.",
    "producer": "there is none. The settings name the broker.",
    "chord": "did you mean dramatiq.group(...).add_completion_callback(...)?",
    "chain": "did you mean dramatiq.pipeline?",
    "depends_on": "did you mean dramatiq.pipeline?",
    "add_to_parent": "did you mean parent? The task is cancelled with that one.",
    "parent_id": "did you mean parent? The task is cancelled with that one.",
    "root_id": _NO_TREE,
    "group_id": _NO_TREE,
    "group_index": _NO_TREE,
    "reply_to": "there is none. The result is in the row: message.get_result().",
    "correlation_id": "did you mean message_id?",
    "result_ttl": "there is none. The result stays as long as its row.",
    "result_expires": "there is none. The result stays as long as its row.",
    "throws": "it belongs on the actor: @dramatiq.actor(throws=...). A message cannot carry classes.",
    "traceback": _SET_BY_WORKERS,
    "attempt": _SET_BY_WORKERS,
    "requeue_timestamp": _SET_BY_WORKERS,
    "redis_message_id": _SET_BY_WORKERS,
    "message_timestamp": _SET_BY_WORKERS,
}

_ALWAYS_ON = "there is none, since it is always on."

ON_AN_ACTOR = _ANYWHERE | {
    "bind": "did you mean CurrentMessage.get_current_message()? It returns the message that runs.",
    "name": "did you mean actor_name?",
    "base": "did you mean actor_class?",
    "queue": "did you mean queue_name?",
    "autoretry_for": "there is none, since every exception leads to a retry. throws names those that do not.",
    "dont_autoretry_for": "did you mean throws?",
    "reject_on_worker_lost": _ALWAYS_ON,
    "track_started": _ALWAYS_ON,
    "store_errors_even_if_ignored": _ALWAYS_ON,
    "send_events": _ALWAYS_ON,
    "acks_on_failure_or_timeout": _ALWAYS_ON,
    "run_every": "did you mean periodic=periodiq.cron(...)?",
    "schedule": "did you mean periodic=periodiq.cron(...)?",
    "cron": "did you mean periodic=periodiq.cron(...)?",
    "crontab": "did you mean periodic=periodiq.cron(...)?",
    "atomic": "did you mean transactional?",
    "typing": "there is none, since arguments are always checked in the caller.",
    "pydantic": "there is none. Arguments are JSON; read them in the actor.",
}

#: Methods of Celery's tasks, and of those of other task queues.
METHODS_OF_OTHERS = {
    "delay": "did you mean send(...)?",
    "apply_async": "did you mean send_with_options(args=(...), delay=...)?",
    "enqueue": "did you mean send(...)?",
    "aenqueue": "did you mean asend(...)?",
    "defer": "did you mean send(...)?",
    "schedule": "did you mean send_with_options(args=(...), delay=...)?",
    "using": "did you mean send_with_options(args=(...), priority=...)?",
    "configure": "did you mean send_with_options(args=(...), priority=...)?",
    "apply": "did you mean to call the actor itself? It runs at once, without a row.",
    "s": "did you mean message(...)?",
    "si": "did you mean message_with_options(args=(...), pipe_ignore=True)?",
    "signature": "did you mean message_with_options(args=(...))?",
    "subtask": "did you mean message_with_options(args=(...))?",
    "retry": "did you mean to raise? A failed task is retried by itself. raise Snooze(delay=...) puts it off.",
    "chunks": "did you mean group([actor.message(...) for ...])?",
    "map": "did you mean group([actor.message(...) for ...])?",
    "starmap": "did you mean group([actor.message(...) for ...])?",
}
