from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client

from querybudget.tests.corpus.data import ITEMS


def requester(case):
    """A function that makes the case's request and reads the whole body."""

    given = {"data": ITEMS, "content_type": "application/json"} if case.method == "post" else {}

    def call():
        response = getattr(Client(raise_request_exception=True), case.method)(case.path, **given)
        assert response.status_code == 200
        b"".join(response)

    async def acall():
        response = await getattr(AsyncClient(), case.method)(case.path, **given)
        assert response.status_code == 200
        if response.streaming:
            [piece async for piece in response]

    return async_to_sync(acall) if case.name.startswith("asynchronous") else call
