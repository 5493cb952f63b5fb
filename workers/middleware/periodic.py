"""Lets actors be declared with Periodiq's `periodic=cron(...)`; `manage.py runscheduler` fires them."""

from dramatiq import Middleware


class Periodic(Middleware):
    """Declares the options of periodic actors.

    Periodiq's own middleware is not used: it drops a message that waited over 30 s in a busy queue.
    """

    @property
    def actor_options(self) -> set[str]:
        """The options that an actor may be declared with.

        periodic: `periodiq.cron("0 3 * * *")`, in UTC.
        periodic_kwargs: What the actor is called with when its time comes.
        """
        return {"periodic", "periodic_kwargs"}
