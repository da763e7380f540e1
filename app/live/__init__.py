"""The model behind a page: one process of its own that holds it, and how the server asks that.

`protocol` says what can be asked and what is answered, `owner` starts and watches the process;
both are free of torch. `process` is the process itself, `loading` what it holds, and one file each
what it can do: `reading`, `ablating`, `steering`.
"""
