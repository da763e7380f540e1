"""One address of every page and of the views that draw it differently: what tests of all pages go
through. Paths are those of the invented atlas of `conftest.py`."""

SAE = "/synthetic/resid-2-1k"
FEATURE = f"{SAE}/3"

PAGES = {
    "index": "/",
    "dictionary": SAE,
    "dictionary filtered": f"{SAE}?density=0.1%25..&sort=-max_activation&columns=density",
    "feature": FEATURE,
    "feature, intervals wrapped": f"{FEATURE}?group=interval&layout=wrapped&color=example",
    "feature, both ablations": f"{FEATURE}?group=top&ablation=both&effect=hidden_pre",
    "feature, whole contexts": f"{FEATURE}?group=top&window=whole&layout=lines",
    "feature, silent": f"{FEATURE}?group=silent&mode=raw",
    "feature, near misses": f"{FEATURE}?group=near",
    "feature, one example": f"{FEATURE}?example=top-2",
    "feature, a band": f"{FEATURE}?band=1..3",
    "feature, a reading": f"{FEATURE}?reading=self+with+def+within+4+before",
    "feature, embedded": f"{FEATURE}?embed=summary,examples",
    "compare": f"{SAE}/compare?features=1,3,5",
    "context": f"{SAE}/context/3?feature=3",
    "map": f"{SAE}/map",
    "map, a token": f"{SAE}/map?q=self",
    "quality": f"{SAE}/quality",
    "norms": f"{SAE}/norms",
    "norms by error": f"{SAE}/norms?sort=-error_share",
    "pruning": f"{SAE}/pruning",
    "pruning, rare ones folded": f"{SAE}/pruning?remove=rarer&fill=mean",
    "geometry": f"{SAE}/geometry",
    "geometry, a peak": f"{SAE}/geometry?cosine=0.5..&near=0.7&among=unaligned",
    "connections": f"{SAE}/connections",
    "connections of a feature": f"{FEATURE}/connections",
    "search, empty": "/-/search",
    "search": "/-/search?q=self",
    "search, one ranking": "/-/search?q=self&mode=promotes",
    "search, examples": "/-/search?q=%22def+self%22",
    "docs": "/-/docs",
    "nothing there": f"{SAE}/123456",
}
