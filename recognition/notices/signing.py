"""Signatures as defined by Standard Webhooks; receivers can check them with its libraries.

The secret is `whsec_` and the base64 of the key. The signed text is `id.timestamp.body`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

PREFIX = "whsec_"
_KEY_BYTES = 32


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


def signed_headers(
    secret: str, *, message_id: str, timestamp_s: int, body: bytes
) -> dict[str, str]:
    """The three headers of one message. `timestamp_s` is the Unix time of this attempt. Receivers
    refuse old timestamps, so that a recorded message cannot be replayed."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
