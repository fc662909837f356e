"""A caller's answer to a challenge (RFC 7616 with MD5), made without the server's help."""

import hashlib
import re


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def answer_to(challenge: str, method: str, uri: str, username: str, password: str) -> str:
    """The credentials for a request with this method to this URI."""
    realm, nonce = (re.search(rf'{name}="([^"]*)"', challenge)[1] for name in ("realm", "nonce"))
    answer = _md5(f"{_md5(f'{username}:{realm}:{password}')}:{nonce}:00000001:abc:auth:{_md5(f'{method}:{uri}')}")
    return (
        f'Digest username="{username}", realm="{realm}", nonce="{nonce}", uri="{uri}", algorithm=MD5, '
        f'qop=auth, nc=00000001, cnonce="abc", response="{answer}"'
    )


def authorization(challenged, uri: str, username: str, password: str) -> str:
    """The value of `Authorization` for an INVITE to this URI after this 401."""
    challenge = next(c for c in challenged.final.all("WWW-Authenticate") if b"MD5" in c).decode()
    return answer_to(challenge, "INVITE", uri, username, password)
