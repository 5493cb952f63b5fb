"""The public face of the document services. Views, pages and actors call these and nothing below them."""

from apps.documents.services import expiry, manuscripts, order, processing, room, status


class DocumentService:
    """All operations on documents.

    `manuscripts` stores and returns the writer's text, `order` sorts the documents of a project, `room` keeps what is
    stored within the quotas, `processing` analyses the text, `status` keeps the document's status true, `expiry`
    deletes what has expired.
    """

    create = staticmethod(manuscripts.create)
    rename = staticmethod(manuscripts.rename)
    original = staticmethod(manuscripts.original)

    move = staticmethod(order.move)

    check_body = staticmethod(room.check_body)
    use_of = staticmethod(room.use_of)

    start_processing = staticmethod(processing.start)
    start_project = staticmethod(processing.start_project)
    start_drafts = staticmethod(processing.start_drafts)
    newest_project_task = staticmethod(processing.newest_project_task)
    process_document = staticmethod(processing.process)

    mark_failed = staticmethod(status.mark_failed)
    give_up = staticmethod(status.give_up)
    settle = staticmethod(status.settle)
    running_tasks = staticmethod(status.running_tasks)

    delete_expired = staticmethod(expiry.delete_expired)
