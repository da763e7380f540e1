"""Whether the server answers at all; says nothing else, to anyone."""

from fastapi import APIRouter

router = APIRouter()


@router.get("/-/health")
async def health() -> dict[str, bool]:
    """Always `{"ok": true}` while the server runs."""
    return {"ok": True}
