"""The public face of the document services. Views, pages and actors call these and nothing below them."""

from apps.documents.services import encoding, expiry, manuscripts, order, processing, room, status


class DocumentService:
    """All operations on documents.

    `manuscripts` stores and returns the writer's text, `encoding` asks the writer how it reads, `order` sorts the
    documents of a project, `room` keeps what is stored within the quotas, `processing` analyses the text, `status`
    keeps the document's status true, `expiry` deletes what has expired.
    """

    create = staticmethod(manuscripts.create)
    rename = staticmethod(manuscripts.rename)
    original = staticmethod(manuscripts.original)

    move = staticmethod(order.move)

    readings_of = staticmethod(encoding.readings_of)
    ask_for_encoding = staticmethod(encoding.ask)
    choose_encoding = staticmethod(encoding.choose)

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
