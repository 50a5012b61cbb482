"""How the DRF peer knows its users; a module of its own, as DRF's settings import it."""

from __future__ import annotations

from rest_framework import authentication, exceptions

from bench.peers.shop.models import user_of


class TokenAuthentication(authentication.BaseAuthentication):
    def authenticate(self, request):
        word, _, token = request.headers.get("Authorization", "").partition(" ")
        if word != "Token":
            return None
        user = user_of(token)
        if user is None:
            raise exceptions.AuthenticationFailed
        return user, token

    def authenticate_header(self, request):
        return "Token"
