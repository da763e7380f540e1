"""What the hub's client raises, as the one sentence a user can act on.

Takes the error and what was asked for. Knows the client's classes of errors, and no request.
"""

import errno

from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from app.errors import AtlasError
from app.hub.address import HubAddress
from app.hub.cache import cache_folder

_SIGN_IN = "sign in with `hf auth login`, or set HF_TOKEN"


def failure(error: BaseException, address: HubAddress) -> AtlasError:
    """The sentence for what went wrong while this was fetched."""
    causes = _chain(error)
    for known in causes:
        sentence = _sentence(known, address)
        if sentence:
            return AtlasError(sentence)
    # What is left are the transport's: no name server, nothing listening, cut connections, proxies.
    return AtlasError(
        f"The hub could not be reached for {address} ({_first_line(causes[-1])}): check the "
        "connection and run the same command again; files that are whole are kept."
    )


def is_unreachable(error: BaseException) -> bool:
    """Whether nobody answered, so that what is in the cache is the best there is."""
    if any(isinstance(known, OfflineModeIsEnabled) for known in _chain(error)):
        return True
    answered = [known for known in _chain(error) if isinstance(known, HfHubHTTPError)]
    if answered:
        return all(known.response.status_code >= 500 for known in answered)
    return not any(_sentence_of_system(known) for known in _chain(error))


def _sentence(error: BaseException, address: HubAddress) -> str:
    repo = address.repo
    match error:
        case GatedRepoError():
            return (
                f"The repository {repo} is gated: accept its terms on its page of the hub, then "
                f"{_SIGN_IN}."
            )
        case DisabledRepoError():
            return f"The repository {repo} was disabled on the hub: use another one."
        case RepositoryNotFoundError():
            return (
                f"There is no repository {repo} on the hub, or it is private: check the name, or "
                f"{_SIGN_IN}."
            )
        case RevisionNotFoundError():
            return (
                f"The repository {repo} has no revision {address.revision or 'main'!r}: give a "
                "branch, a tag or a commit of it."
            )
        case RemoteEntryNotFoundError():
            return f"The repository {repo} has no {address.folder or 'such file'} at this revision."
        case HfHubHTTPError() if error.response.status_code in (401, 403):
            return (
                f"The hub refuses {repo} to this machine "
                f"({error.response.status_code}): {_SIGN_IN}."
            )
        case HfHubHTTPError() if error.response.status_code == 429:
            return (
                f"The hub answers {repo} with “too many requests”: wait some minutes, or sign in."
            )
        case HfHubHTTPError():
            return (
                f"The hub answers {repo} with an error ({error.response.status_code}): try again "
                "later; files that are whole are kept."
            )
    return _sentence_of_system(error)


def _sentence_of_system(error: BaseException) -> str:
    if not isinstance(error, OSError) or error.errno is None:
        return ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"The disk of {cache_folder()} is full: free some of it, or set HF_HOME to a folder on "
            "another disk; files that are whole are kept."
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"{cache_folder()} can't be written ({error.strerror}): set HF_HOME to a folder of "
            "yours."
        )
    return ""


def _chain(error: BaseException) -> list[BaseException]:
    """The error and what caused it, outermost first."""
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in found:
        found.append(current)
        current = current.__cause__
    return found


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
