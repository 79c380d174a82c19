"""Reviewers' keys: a decision is an Ed25519 signature that only the reviewer's secret can make.

The secret never enters the store. From it and a salt, scrypt derives the private key; the store holds salt and public
key. Whoever can write to the store can thus not forge an approval, only break one. (They could enroll a new key:
`doctor` names who can write, and every enrolment is journalled and alerted.)
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from handrail.core.ticket import Reviewer
from handrail.errors import ReviewError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SECRET_CHARS_MIN = 8


def enroll(name: str, secret: str) -> Reviewer:
    """Return a reviewer whose key is derived from `secret`.

    Raises:
        ReviewError: The secret is shorter than `SECRET_CHARS_MIN` characters.
    """
    if len(secret) < SECRET_CHARS_MIN:
        raise ReviewError(f"A secret needs at least {SECRET_CHARS_MIN} characters. Nothing was changed.")
    salt = secrets.token_hex(16)
    public = unlock(secret, salt).public_key().public_bytes_raw()
    return Reviewer(name, salt, public.hex())


def unlock(secret: str, salt: str) -> Ed25519PrivateKey:
    """Derive the private key. Source: RFC 7914 (scrypt, N=2^15, r=8, p=1), RFC 8032 (Ed25519)."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 (heavy)

    seed = hashlib.scrypt(
        secret.encode(), salt=bytes.fromhex(salt), n=2**15, r=8, p=1, maxmem=64 * 1024 * 1024, dklen=32
    )
    return Ed25519PrivateKey.from_private_bytes(seed)


def unlock_as(reviewer: Reviewer, secret: str | Ed25519PrivateKey) -> Ed25519PrivateKey:
    """Return the reviewer's private key, from their secret or as it was unlocked before.

    Raises:
        ReviewError: The secret is not this reviewer's.
    """
    key = unlock(secret, reviewer.salt) if isinstance(secret, str) else secret
    if key.public_key().public_bytes_raw().hex() != reviewer.public_key:
        raise ReviewError(f"This is not the secret of {reviewer.name}. Nothing was decided.")
    return key


def genuine(message: bytes, signature: str, reviewer: Reviewer) -> bool:
    """Return whether `signature` over `message` is the reviewer's own; anything malformed is not."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 (heavy)
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(reviewer.public_key))
        key.verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True
